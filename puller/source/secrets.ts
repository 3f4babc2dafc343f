import { createHash } from 'node:crypto'
import { isJsonObject, type JsonObject } from '../../contract/canonical-json.ts'
import { WaybillError } from '../../contract/errors.ts'
import { anonymous, type CredentialSource, dockerConfigCredentials } from '../../contract/registry/credentials.ts'
import type { Cluster, Identity } from '../cluster/cluster-port.ts'
import type { DeliverySpec } from '../kinds.ts'

/** How a Delivery reads its registry. */
export type PullAccess = {
  readonly credentials: CredentialSource
  /** PEM certificates, trusted in addition to the system's. */
  readonly ca?: string
  /** Which Secrets in which version: remembered with what was fetched with them. Says nothing about their content. */
  readonly credentialId: string
  /** Equal exactly where the Secrets hold the same; kept in memory only. Those who share it share polls and connections. */
  readonly shareKey: string
}

/**
 * Reads the pull and CA secrets that the spec names, as the service account.
 * @throws WaybillError SECRET_INVALID: missing, not readable by the account, or not what its type says; never with a value
 */
export async function readPullAccess(
  cluster: Cluster,
  account: Exclude<Identity, 'puller'>,
  spec: DeliverySpec,
): Promise<PullAccess> {
  const { pullSecret, caSecret } = spec.source
  const pull = pullSecret === undefined ? undefined : await readSecret(cluster, account, pullSecret.name)
  const ca = caSecret === undefined ? undefined : await readSecret(cluster, account, caSecret.name)
  const login = pull === undefined ? undefined : secretValue(pull, '.dockerconfigjson')
  const certificates = ca === undefined ? undefined : secretValue(ca, 'ca.crt')
  const share = createHash('sha256')
  for (const bytes of [login, certificates]) share.update(`${bytes?.length ?? -1}:`).update(bytes ?? '')
  return {
    credentials: login === undefined ? anonymous : dockerConfigCredentials(login),
    credentialId: [pull, ca].map((secret) => secret?.version ?? '-').join(' '),
    shareKey: share.digest('hex'),
    ...(certificates === undefined ? {} : { ca: parseCertificates(caSecret?.name ?? '', certificates) }),
  }
}

export type Secret = { readonly name: string; readonly version: string; readonly data: JsonObject }

/** @throws WaybillError SECRET_INVALID, CLUSTER_FAILED; never with a value */
export async function readSecret(
  cluster: Cluster,
  account: Exclude<Identity, 'puller'>,
  name: string,
): Promise<Secret> {
  const { namespace, serviceAccount } = account
  const { status, body } = await cluster.request(account, {
    method: 'GET',
    path: `/api/v1/namespaces/${encodeURIComponent(namespace)}/secrets/${encodeURIComponent(name)}`,
  })
  const fail = (why: string): never => {
    throw new WaybillError('SECRET_INVALID', `Secret ${namespace}/${name}: ${why}`)
  }
  if (status === 404) fail('there is none')
  if (status === 403) fail(`the service account ${serviceAccount} may not read it`)
  if (status !== 200)
    throw new WaybillError('CLUSTER_FAILED', `reading Secret ${namespace}/${name}: the API server answered ${status}`)
  const { metadata, data } = body
  if (!isJsonObject(metadata) || !isJsonObject(data)) return fail('it holds nothing')
  return { name: `${namespace}/${name}`, version: `${metadata.uid}@${metadata.resourceVersion}`, data }
}

/** @throws WaybillError SECRET_INVALID */
export function secretValue(secret: Secret, key: string): Uint8Array {
  const value = Object.hasOwn(secret.data, key) ? secret.data[key] : undefined
  if (typeof value !== 'string' || value === '')
    throw new WaybillError('SECRET_INVALID', `Secret ${secret.name}: it has no ${key}`)
  return Buffer.from(value, 'base64')
}

function parseCertificates(name: string, bytes: Uint8Array): string {
  const text = Buffer.from(bytes).toString('utf8')
  if (text.includes('-----BEGIN CERTIFICATE-----')) return text
  throw new WaybillError('SECRET_INVALID', `Secret ${name}: ca.crt holds no PEM certificate`)
}
