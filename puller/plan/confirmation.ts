import { canonicalJson } from '../../contract/canonical-json.ts'
import { type Digest, digestOf } from '../../contract/digest.ts'
import { ANNOTATION, type RecordFacts } from '../kinds.ts'
import type { PlanContext } from './plan-context.ts'

/** Everything here is pure: what exactly a person is asked to confirm, and whether he did. */

/** One object that is not deleted without a person. `isGuarded`: for itself; else as one of too many. */
export type AskedObject = { readonly name: string; readonly uid: string; readonly isGuarded: boolean }

/** What was confirmed, as the Intent that it let through says: nothing else is deleted on the strength of it. */
export type Confirmed = NonNullable<RecordFacts['confirmed']>

/** So many objects are named in the Intent; of what is more, what an interruption leaves is asked for again. */
const NAMED_MAX = 1000

/**
 * What is to be confirmed: these objects, by uid, for this release in this environment of this Delivery. What is deleted never comes back under its
 * uid, so that nobody can confirm by it what is deleted later.
 */
export function askedOf(
  { delivery, digest, environment }: Pick<PlanContext, 'delivery' | 'digest' | 'environment'>,
  objects: readonly AskedObject[],
): Confirmed {
  const sorted = [...objects].sort((a, b) => (a.uid < b.uid ? -1 : 1))
  const uids = (isGuarded: boolean) => sorted.filter((one) => one.isGuarded === isGuarded).map(({ uid }) => uid)
  const what = digestOf(
    canonicalJson({
      version: 1,
      delivery: delivery.uid,
      digest,
      environment,
      objects: sorted.map(({ name, uid, isGuarded }) => [name, uid, isGuarded]),
    }),
  )
  const guarded = uids(true).slice(0, NAMED_MAX)
  return { what, guarded, others: uids(false).slice(0, NAMED_MAX - guarded.length) }
}

/** Whether a person confirmed exactly this, or, before the same Intent was interrupted, this and more. */
export function isConfirmed(
  { confirmed, begun }: Pick<PlanContext, 'confirmed' | 'begun'>,
  what: Digest,
  objects: readonly AskedObject[],
): boolean {
  if (confirmed === undefined) return false
  if (confirmed === what) return true
  if (begun?.what !== confirmed) return false
  const [guarded, others] = [new Set(begun.guarded), new Set(begun.others)]
  return objects.every(({ uid, isGuarded }) => guarded.has(uid) || (!isGuarded && others.has(uid)))
}

type Named = { readonly namespace: string; readonly name: string }

/** What a person types to confirm it. */
export function confirmCommand({ namespace, name }: Named, what: Digest): string {
  return `kubectl annotate delivery ${name} -n ${namespace} --overwrite ${ANNOTATION.confirm}=${what}`
}

/** The value by which a person confirms that this Delivery is deleted with all that it delivered, while this digest runs. */
export function deletionConfirmation({ uid }: { readonly uid: string }, current: Digest): string {
  return `delete ${uid} ${current}`
}
