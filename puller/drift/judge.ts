import type { Group } from './group.ts'
import { isAlike, type Print } from './print.ts'

/** `unknown`: nothing was compared yet, or the watch does not show it. `pending`: the watch has not come to our last write yet. */
export type Judgement = 'converged' | 'pending' | 'drifted' | 'unknown'

/**
 * How an object stands against what was last known to be right: drift is that it is gone or another one, that its label is, that our entry
 * in managedFields or another's fields inside a pod template changed, or that something changed that no entry tells of. Pure.
 */
export function judge(
  baseline: Print | undefined,
  group: Pick<Group, 'state' | 'version'> | undefined,
  now: Print | undefined,
): Judgement {
  if (baseline === undefined || group?.state !== 'listed') return 'unknown'
  if (now === undefined) return group.version >= baseline.version ? 'drifted' : 'pending'
  if (now.version < baseline.version) return 'pending'
  return isAlike(baseline, now) ? 'converged' : 'drifted'
}
