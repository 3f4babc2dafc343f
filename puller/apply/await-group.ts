import { objectUrl } from '../cluster/resources.ts'
import { rulesOf } from '../health/rules.ts'
import type { Health } from '../health/wait.ts'
import type { DesiredObject } from '../plan/desired.ts'
import type { PlanGroup } from '../plan/groups.ts'
import { cleanedUpAfter } from '../plan/runs.ts'
import type { Applying } from './applying.ts'
import { deleteExactly } from './delete-object.ts'

/** `release`: each group is waited for; `repair`: those that something was put back in. */
export type Pace = 'release' | 'repair'

const WELL: Health = { healthy: true, failed: [], waiting: [], versions: new Map() }

/**
 * Waits for a group where something comes after it, or where something in it runs once; how that ended goes into the inventory, and what is to
 * be cleaned up after its run is deleted. Not healthy where the group is not, or the wait was ended.
 */
export async function awaitGroup(
  applying: Applying,
  { members, changes }: PlanGroup,
  { pace, isLater }: { readonly pace: Pace; readonly isLater: boolean },
): Promise<Health> {
  const runs = members.filter(({ runsOnce }) => runsOnce)
  const isNeeded = runs.length > 0 || (isLater && (pace === 'release' || changes.length > 0))
  const { isWatched } = rulesOf(applying.context)
  const waited = isNeeded ? members.filter((one) => isWatched(one) && !isClaim(one)) : []
  if (waited.length === 0) return WELL
  await applying.store()
  const health = await applying.waiter.healthy(waited)
  await settleRuns(applying, runs, health)
  return health
}

/** A claim may be bound only once something uses it: nothing after it can wait for that. */
function isClaim({ id }: DesiredObject): boolean {
  return id.group === '' && id.kind === 'PersistentVolumeClaim'
}

async function settleRuns(applying: Applying, runs: readonly DesiredObject[], health: Health): Promise<void> {
  const open = new Set(health.waiting.map(({ object }) => object))
  const broken = new Set(health.failed.map(({ object }) => object))
  const ended = runs.filter(({ name }) => !open.has(name))
  for (const { key, name } of ended) {
    const entry = applying.book.get(key)
    if (entry?.run === undefined) continue
    applying.book.set(key, { ...entry, run: { ...entry.run, ended: broken.has(name) ? 'failed' : 'succeeded' } })
  }
  if (ended.length === 0) return
  // Known before it is gone: what was cleaned up is not run again.
  await applying.store()
  for (const one of ended) {
    const { name, id, resource, key } = one
    const uid = applying.book.get(key)?.uid
    const end = broken.has(name) ? 'failed' : 'succeeded'
    if (resource === undefined || uid === undefined || !cleanedUpAfter(one, end)) continue
    // Where it cannot be deleted now, the next look finds it again.
    await deleteExactly(applying, { name, uid, path: objectUrl(resource, id) }, { propagation: 'Background' })
  }
}
