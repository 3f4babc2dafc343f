import { createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import { isJsonObject, type Json, type JsonObject } from '../../contract/canonical-json.ts'
import { WaybillError } from '../../contract/errors.ts'
import { answerError } from '../cluster/answer-error.ts'
import type { Cluster } from '../cluster/cluster-port.ts'
import { type RecordSigner, readPublicKey } from './chain.ts'

export const KEY_SECRET = 'waybill-puller-key'
/** ConfigMap in the puller's namespace: the public half of its key, and the head of each Delivery's chain by uid. */
export const RECORDS_CONFIG_MAP = 'waybill-records'
export const PUBLIC_KEY_ENTRY = 'puller.pub'
export const DEFAULT_NAMESPACE = 'waybill-system'

const PRIVATE_ENTRY = 'key.pem'
const CLAIM_ENTRY = 'claim.key'
const CLAIM_BYTES = 32

/** What the puller signs with, and what it proves its own creates with. */
export type PullerKeys = RecordSigner & {
  /** SPKI PEM. */
  readonly publicPem: string
  /** 32 random bytes, for puller/plan/claim.ts. */
  readonly claimKey: Uint8Array
}

/**
 * The puller's keys, from Secret `waybill-puller-key` in `namespace`; made at the first start, once, however many start
 * at a time. A key that is gone while its public half is still there is not replaced: records would stop being believed.
 * @throws WaybillError RECORD_KEY when the Secret is damaged, gone, or not the one whose public half is kept
 */
export async function loadPullerKeys(cluster: Cluster, namespace: string): Promise<PullerKeys> {
  // The public half is read first: whoever wrote it had made the Secret before.
  const known = await readPublicPem(cluster, namespace)
  const keys = parseKeys(await readOrMakeSecret(cluster, namespace, { mayMake: known === undefined }))
  const kept = known ?? (await keepPublicPem(cluster, namespace, keys.publicPem))
  if (readPublicKey(kept).digest !== keys.keyDigest)
    throw new WaybillError(
      'RECORD_KEY',
      `Secret ${namespace}/${KEY_SECRET} holds another key than the one whose public half is in ConfigMap ${RECORDS_CONFIG_MAP}`,
    )
  return keys
}

/** The public half, as ConfigMap `waybill-records` has it. @throws WaybillError CLUSTER_FORBIDDEN, CLUSTER_FAILED */
export async function readPublicPem(cluster: Cluster, namespace: string): Promise<string | undefined> {
  const path = `${configMaps(namespace)}/${RECORDS_CONFIG_MAP}`
  const answer = await cluster.request('puller', { method: 'GET', path })
  if (answer.status === 404) return undefined
  if (answer.status !== 200) throw answerError(`ConfigMap ${namespace}/${RECORDS_CONFIG_MAP}`, answer)
  return textOf(answer.body.data, PUBLIC_KEY_ENTRY)
}

/** Keys from a PKCS#8 PEM and a claim key; for tests and for `loadPullerKeys`. @throws WaybillError RECORD_KEY */
export function keysFrom(privatePem: string, claimKey: Uint8Array): PullerKeys {
  try {
    const key = createPrivateKey(privatePem)
    const publicPem = createPublicPem(privatePem)
    const { digest } = readPublicKey(publicPem)
    return { sign: (bytes) => sign('sha256', bytes, key).toString('base64'), publicPem, keyDigest: digest, claimKey }
  } catch (cause) {
    throw new WaybillError('RECORD_KEY', `Secret ${KEY_SECRET}: ${PRIVATE_ENTRY} is not an ECDSA P-256 key`, { cause })
  }
}

/** A new private key, PKCS#8 PEM. */
export function newPrivatePem(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
  return privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()
}

async function readOrMakeSecret(
  cluster: Cluster,
  namespace: string,
  { mayMake }: { readonly mayMake: boolean },
): Promise<JsonObject> {
  const what = `Secret ${namespace}/${KEY_SECRET}`
  const found = await cluster.request('puller', { method: 'GET', path: `${secrets(namespace)}/${KEY_SECRET}` })
  if (found.status === 200) return found.body
  if (found.status !== 404) throw answerError(what, found)
  if (!mayMake)
    throw new WaybillError(
      'RECORD_KEY',
      `${what} is gone, and ConfigMap ${RECORDS_CONFIG_MAP} still has its public half: restore the Secret, or remove ` +
        `${PUBLIC_KEY_ENTRY} from the ConfigMap to begin with a new key that none of the records so far is believed with`,
    )
  const made = await cluster.request('puller', {
    method: 'POST',
    path: secrets(namespace),
    body: {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: KEY_SECRET, namespace },
      type: 'Opaque',
      data: { [PRIVATE_ENTRY]: base64(newPrivatePem()), [CLAIM_ENTRY]: base64(randomBytes(CLAIM_BYTES)) },
    },
  })
  if (made.status === 201) return made.body
  if (made.status === 409) return readOrMakeSecret(cluster, namespace, { mayMake: false })
  throw answerError(what, made)
}

async function keepPublicPem(cluster: Cluster, namespace: string, publicPem: string): Promise<string> {
  const what = `ConfigMap ${namespace}/${RECORDS_CONFIG_MAP}`
  const metadata = { name: RECORDS_CONFIG_MAP, namespace }
  const data = { [PUBLIC_KEY_ENTRY]: publicPem }
  const body = { apiVersion: 'v1', kind: 'ConfigMap', metadata, data }
  const made = await cluster.request('puller', { method: 'POST', path: configMaps(namespace), body })
  if (made.status === 201) return publicPem
  if (made.status !== 409) throw answerError(what, made)
  const kept = await readPublicPem(cluster, namespace)
  if (kept !== undefined) return kept
  const patched = await cluster.request('puller', {
    method: 'PATCH',
    path: `${configMaps(namespace)}/${RECORDS_CONFIG_MAP}`,
    contentType: 'application/merge-patch+json',
    body: { data },
  })
  if (patched.status !== 200) throw answerError(what, patched)
  return publicPem
}

function parseKeys(secret: JsonObject): PullerKeys {
  const claimKey = Buffer.from(textOf(secret.data, CLAIM_ENTRY) ?? '', 'base64')
  if (claimKey.length !== CLAIM_BYTES)
    throw new WaybillError('RECORD_KEY', `Secret ${KEY_SECRET}: ${CLAIM_ENTRY} is not ${CLAIM_BYTES} bytes`)
  return keysFrom(Buffer.from(textOf(secret.data, PRIVATE_ENTRY) ?? '', 'base64').toString('utf8'), claimKey)
}

function createPublicPem(privatePem: string): string {
  return createPublicKey(privatePem).export({ format: 'pem', type: 'spki' }).toString()
}

function textOf(data: Json | undefined, entry: string): string | undefined {
  const value = isJsonObject(data) ? data[entry] : undefined
  return typeof value === 'string' ? value : undefined
}

const base64 = (content: Uint8Array | string) => Buffer.from(content).toString('base64')
const secrets = (namespace: string) => `/api/v1/namespaces/${encodeURIComponent(namespace)}/secrets`
const configMaps = (namespace: string) => `/api/v1/namespaces/${encodeURIComponent(namespace)}/configmaps`
