import { bundleToJSON, toDSSEBundle } from '@sigstore/bundle'
import { dsse } from '@sigstore/core'
import { z } from 'zod'
import { MEDIA } from '../artifact/artifact.ts'
import { canonicalJson, parseJson } from '../canonical-json.ts'
import { type Digest, digestHex, digestOf } from '../digest.ts'
import { WaybillError } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import { PAYLOAD_TYPE, type Statement, statementSchema } from './statements.ts'

/** Anything that signs with ECDSA P-256 and SHA-256, DER-encoded, and knows its key's name. */
export type Signatory = { readonly fingerprint: Digest; sign(data: Uint8Array): Uint8Array }

/** The statement in a Sigstore bundle, and what is needed to check its one signature. Nothing in it is verified yet. */
export type OpenedBundle = {
  /** Of the bundle's bytes. */
  readonly digest: Digest
  readonly payload: Uint8Array
  readonly payloadType: string
  readonly signature: Uint8Array
  /** Says which key to try first, and proves nothing. */
  readonly hint: string
  readonly statement: Statement
}

/**
 * Signs a statement into a Sigstore bundle v0.3 (DSSE, own key, no log entry), as `cosign verify --key` reads it. The
 * signature's keyid stays empty: cosign, Flux and Kyverno refuse the bundle otherwise.
 */
export function writeBundle(statement: Statement, key: Signatory): Uint8Array {
  const payload = Buffer.from(canonicalJson(statement), 'utf8')
  const bundle = toDSSEBundle({
    artifact: payload,
    artifactType: PAYLOAD_TYPE,
    signature: Buffer.from(key.sign(dsse.preAuthEncoding(PAYLOAD_TYPE, payload))),
    keyHint: Buffer.from(digestHex(key.fingerprint), 'hex').toString('base64'),
  })
  for (const signature of bundle.content.dsseEnvelope.signatures) signature.keyid = ''
  return Buffer.from(canonicalJson(bundleToJSON(bundle)), 'utf8')
}

const base64Schema = z.base64().min(1)

// Log entries and timestamps say nothing under a policy that trusts keys, so they are not even looked at.
const bundleSchema = z.object({
  mediaType: z.enum([MEDIA.bundle, 'application/vnd.dev.sigstore.bundle+json;version=0.3']),
  verificationMaterial: z.object({ publicKey: z.object({ hint: z.string().max(1024).default('') }) }),
  dsseEnvelope: z.object({
    payload: base64Schema,
    payloadType: z.string(),
    signatures: z.tuple([z.object({ sig: base64Schema })]),
  }),
})

/**
 * Takes a bundle apart. A certificate (keyless), another payload type, or any number of signatures but one is refused.
 * @throws WaybillError ARTIFACT_INVALID, saying what is wrong; fast, and for every input
 */
export function openBundle(bytes: Uint8Array): OpenedBundle {
  if (bytes.length > LIMITS.bundleBytesMax)
    throw new WaybillError('ARTIFACT_INVALID', `more than ${LIMITS.bundleBytesMax} bytes`)
  const { dsseEnvelope, verificationMaterial } = parsed(bundleSchema, 'the bundle', bytes)
  if (dsseEnvelope.payloadType !== PAYLOAD_TYPE)
    throw new WaybillError('ARTIFACT_INVALID', 'the payload type is not that of an in-toto statement')
  const payload = Buffer.from(dsseEnvelope.payload, 'base64')
  return {
    digest: digestOf(bytes),
    payload,
    payloadType: dsseEnvelope.payloadType,
    signature: Buffer.from(dsseEnvelope.signatures[0].sig, 'base64'),
    hint: verificationMaterial.publicKey.hint,
    statement: parsed(statementSchema, 'the statement', payload),
  }
}

function parsed<T>(schema: z.ZodType<T>, what: string, bytes: Uint8Array): T {
  const result = schema.safeParse(parseJson(what, bytes))
  if (result.success) return result.data
  const issue = result.error.issues[0]
  throw new WaybillError(
    'ARTIFACT_INVALID',
    `${what}: ${issue?.path.join('.') || 'it'}: ${issue?.message ?? 'invalid'}`,
  )
}
