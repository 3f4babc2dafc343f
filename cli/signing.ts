import { parseAllDocuments } from 'yaml'
import { isJsonObject } from '../contract/canonical-json.ts'
import { WaybillError } from '../contract/errors.ts'
import { parseTrustPolicy, type TrustPolicy } from '../contract/trust/trust-policy.ts'
import { parseSigningKey, type SigningKey } from '../packager/publish/keys.ts'
import { readText } from './disk.ts'
import type { Flags } from './flags.ts'
import type { Context } from './verb.ts'

/** The key that --key names, with the password from COSIGN_PASSWORD. @throws WaybillError USAGE, FILE_UNREADABLE, KEY_* */
export async function readSigningKey(flags: Flags, { cwd, env }: Context): Promise<SigningKey> {
  const password = env.COSIGN_PASSWORD
  return parseSigningKey(await readText(cwd, flags.need('key')), password === undefined ? {} : { password })
}

/**
 * The TrustPolicies in the file that --policy names: YAML or JSON, as `kubectl apply` takes them.
 * @throws WaybillError FILE_UNREADABLE, POLICY_INVALID, FIELD_UNSUPPORTED
 */
export async function readPolicies(flags: Flags, { cwd }: Context): Promise<readonly TrustPolicy[] | undefined> {
  const file = flags.text('policy')
  if (file === undefined) return undefined
  const policies = parseDocuments(file, await readText(cwd, file)).map((value) => {
    if (!isJsonObject(value) || value.kind !== 'TrustPolicy' || value.apiVersion !== 'waybill.dev/v1alpha1')
      throw new WaybillError(
        'POLICY_INVALID',
        `${file}: holds something that is not a waybill.dev/v1alpha1 TrustPolicy`,
      )
    const name = isJsonObject(value.metadata) ? value.metadata.name : undefined
    return parseTrustPolicy(typeof name === 'string' ? name : file, value.spec)
  })
  if (policies.length === 0) throw new WaybillError('POLICY_INVALID', `${file}: holds no TrustPolicy`)
  return policies
}

function parseDocuments(file: string, text: string): readonly unknown[] {
  const documents = parseAllDocuments(text)
  const found = Array.isArray(documents) ? documents : []
  const error = found.flatMap((document) => document.errors)[0]
  if (error !== undefined)
    throw new WaybillError('POLICY_INVALID', `${file}: ${error.message.split('\n')[0]}`, { cause: error })
  return found.map((document): unknown => document.toJS({ maxAliasCount: 0 })).filter((value) => value !== null)
}
