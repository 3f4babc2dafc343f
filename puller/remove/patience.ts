import { type Clock, timestamp } from '../clock.ts'

/** How long what cannot be deleted is waited for. */
export const REMOVAL_MS = 600_000

/** Whether a Delivery that is being deleted was waited for long enough, and until when (RFC 3339) it is waited. */
export type Patience = { readonly isOver: boolean; readonly until: string }

/**
 * Waits REMOVAL_MS from when this was made, by the clock that nobody sets: a puller that starts anew begins anew. Without `isRunning` nobody
 * was here to see when it began, and it is the clock on the wall since `deletedAt`.
 */
export function beginRemoval(
  deletedAt: string,
  clock: Clock,
  { isRunning }: { readonly isRunning: boolean },
): () => Patience {
  const sinceMs = isRunning ? clock.monotonicMs() : Date.parse(deletedAt)
  const untilMs = isRunning ? clock.nowMs() + REMOVAL_MS : sinceMs + REMOVAL_MS
  const until = timestamp({ nowMs: () => untilMs })
  const nowMs = () => (isRunning ? clock.monotonicMs() : clock.nowMs())
  return () => ({ isOver: nowMs() - sinceMs >= REMOVAL_MS, until })
}
