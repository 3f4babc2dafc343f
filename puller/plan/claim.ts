import { createHmac, timingSafeEqual } from 'node:crypto'

const CLAIM_BYTES = 16

/**
 * What the claim annotation of an object says: the first 128 bits of HMAC-SHA256(claimKey, deliveryUid + '\n' + objectKey),
 * base64url. The same over releases and restarts; nobody without the key can make one for an object of another name or
 * another Delivery (docs/decisions/0003-claims.md).
 */
export function claimOf(claimKey: Uint8Array, deliveryUid: string, objectKey: string): string {
  const mac = createHmac('sha256', claimKey).update(`${deliveryUid}\n${objectKey}`).digest()
  return mac.subarray(0, CLAIM_BYTES).toString('base64url')
}

/** The claim when it is needed: an inventory entry with a uid needs none, and there may be ten thousand. */
export function claimWhenNeeded(claimKey: Uint8Array, deliveryUid: string, objectKey: string): () => string {
  return () => claimOf(claimKey, deliveryUid, objectKey)
}

/** Compares in constant time. */
export function isClaim(found: unknown, expected: string): boolean {
  if (typeof found !== 'string') return false
  const [a, b] = [Buffer.from(found), Buffer.from(expected)]
  return a.length === b.length && timingSafeEqual(a, b)
}
