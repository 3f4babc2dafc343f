import { createPublicKey, type KeyObject, verify } from 'node:crypto'
import { canonicalJson } from '../../contract/canonical-json.ts'
import { type Digest, digestOf } from '../../contract/digest.ts'
import { WaybillError } from '../../contract/errors.ts'
import { type RecordFacts, type RecordSpec, recordSpecSchema } from '../kinds.ts'

/** What records are signed with. */
export type RecordSigner = {
  /** Base64 of the DER signature, ECDSA P-256 with SHA-256. */
  readonly sign: (bytes: Uint8Array) => string
  /** `sha256:<hex>` of the SPKI DER. */
  readonly keyDigest: Digest
}

const NAME_CHARS_MAX = 253
/** Above this a sequence is nobody's honest count. */
export const SEQUENCE_MAX = 99_999_999

/** `<delivery>-<first 8 of uid>-<sequence, 8 digits>`, at most 253 characters: the same place in a chain has one name. */
export function recordName(delivery: { readonly name: string; readonly uid: string }, sequence: number): string {
  const suffix = `-${delivery.uid.slice(0, 8).toLowerCase()}-${String(sequence).padStart(8, '0')}`
  const stem = delivery.name.slice(0, NAME_CHARS_MAX - suffix.length).replace(/[.-]+$/, '')
  return `${stem}${suffix}`
}

/** The sequence that a name says, or undefined where it is no record's name. */
export function sequenceOfName(name: string): number | undefined {
  const digits = /-([0-9]{8})$/.exec(name)?.[1]
  return digits === undefined ? undefined : Number(digits)
}

/** What the next record names as `previous`: sha256 of the canonical JSON of the whole spec, its signature included. */
export function recordHash(spec: unknown): Digest {
  return digestOf(canonicalJson(spec))
}

/** The spec of a record: `facts` at its place in the chain, signed. */
export function signRecord(
  keys: RecordSigner,
  facts: RecordFacts,
  place: Pick<RecordSpec, 'delivery' | 'sequence'> & { readonly previous?: string | undefined },
): RecordSpec {
  const { delivery, sequence, previous } = place
  const unsigned = {
    ...facts,
    delivery: { namespace: delivery.namespace, name: delivery.name, uid: delivery.uid },
    sequence,
    ...(previous === undefined ? {} : { previous }),
    key: keys.keyDigest,
  }
  const parsed = recordSpecSchema.safeParse({ ...unsigned, signature: keys.sign(signedBytes(unsigned)) })
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  throw new WaybillError('INTERNAL', `a record cannot be written: ${issue?.path.join('.')}: ${issue?.message}`)
}

/** The public half as records name it. @throws WaybillError RECORD_KEY when the PEM is no ECDSA P-256 public key */
export function readPublicKey(pem: string): { readonly key: KeyObject; readonly digest: Digest } {
  try {
    const key = createPublicKey(pem)
    if (key.asymmetricKeyType !== 'ec' || key.asymmetricKeyDetails?.namedCurve !== 'prime256v1')
      throw new Error('curve')
    return { key, digest: digestOf(key.export({ format: 'der', type: 'spki' })) }
  } catch (cause) {
    throw new WaybillError('RECORD_KEY', 'the public half of the puller’s key is not an ECDSA P-256 key in PEM', {
      cause,
    })
  }
}

/** True when `key` signed exactly this spec. What has no canonical form (a lone surrogate) was never signed. */
export function isSignedBy(key: KeyObject, spec: RecordSpec): boolean {
  const { signature, ...unsigned } = spec
  const der = Buffer.from(signature, 'base64')
  if (der.toString('base64') !== signature) return false
  try {
    return verify('sha256', signedBytes(unsigned), key, der)
  } catch {
    return false
  }
}

function signedBytes(unsigned: object): Uint8Array {
  return Buffer.from(canonicalJson(unsigned), 'utf8')
}
