import { type HeadsChange, headIn, type KeptHeads } from './heads.ts'
import { PUBLIC_KEY_ENTRY } from './keys.ts'

/** A head that is to be stored. `entry`: as it is written. */
export type WantedHead = { readonly uid: string; readonly sequence: number; readonly entry: string }

export type Placed = {
  readonly change: HeadsChange
  /** What the ConfigMap holds once that is done. */
  readonly after: ReadonlyMap<string, string>
  /** Uids that found no room. */
  readonly roomless: ReadonlySet<string>
}

/**
 * Names and heads together. The API server takes 1 MiB of heads, and etcd 1.5 MiB of all that there is of an object: this leaves each
 * head that is there room to become longer.
 */
export const HEADS_BYTES_MAX = 960 * 1024

/**
 * What is written for the heads that are wanted: none that is older than the one that is there. Of `gone`, all that no head is wanted for goes. One that
 * is there already always finds room. Pure.
 */
export function placeHeads(kept: KeptHeads, wanted: readonly WantedHead[], gone: ReadonlySet<string>): Placed {
  const newest = new Map<string, WantedHead>()
  for (const one of wanted) if (one.sequence > (newest.get(one.uid)?.sequence ?? 0)) newest.set(one.uid, one)
  const after = new Map(kept.data ?? [])
  const leaving = [...gone].filter((uid) => after.has(uid) && !newest.has(uid) && uid !== PUBLIC_KEY_ENTRY)
  for (const uid of leaving) after.delete(uid)
  let bytes = [...after].reduce((sum, [uid, entry]) => sum + uid.length + Buffer.byteLength(entry), 0)
  const heads = new Map<string, string>()
  const roomless = new Set<string>()
  for (const { uid, sequence, entry } of newest.values()) {
    const there = after.get(uid)
    if (there === entry || (headIn(kept, uid).head?.sequence ?? 0) > sequence) continue
    const size = uid.length + Buffer.byteLength(entry)
    if (there === undefined && bytes + size > HEADS_BYTES_MAX) {
      roomless.add(uid)
      continue
    }
    if (there === undefined) bytes += size
    heads.set(uid, entry)
    after.set(uid, entry)
  }
  return { change: { heads, gone: leaving }, after, roomless }
}
