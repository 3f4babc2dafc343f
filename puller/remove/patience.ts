import { type Clock, timestamp } from '../clock.ts'

/** How long what cannot be deleted is waited for. */
export const REMOVAL_MS = 600_000

/** What of that a puller that starts meanwhile waits at least, so that a restart in an outage leaves nothing that it could delete a little later. */
export const REMOVAL_LEAST_MS = 60_000

/** Whether a Delivery that is being deleted was waited for long enough, and until when (RFC 3339) it is waited. */
export type Patience = { readonly isOver: boolean; readonly until: string }

/**
 * Waits REMOVAL_MS from `deletedAt`, however often the puller was started since then. What was waited before this was made is told by the clock
 * on the wall, and leaves REMOVAL_LEAST_MS; from then on counts the clock that nobody sets. Without `isRunning` it is the clock on the wall alone.
 */
export function beginRemoval(
  deletedAt: string,
  clock: Clock,
  { isRunning }: { readonly isRunning: boolean },
): () => Patience {
  const restMs = Date.parse(deletedAt) + REMOVAL_MS - clock.nowMs()
  // The API server's clock and ours may differ.
  const waitMs = isRunning ? Math.min(REMOVAL_MS, Math.max(REMOVAL_LEAST_MS, restMs)) : restMs
  const untilMs = clock.nowMs() + waitMs
  const until = timestamp({ nowMs: () => untilMs })
  const nowMs = () => (isRunning ? clock.monotonicMs() : clock.nowMs())
  const beganMs = nowMs()
  return () => ({ isOver: nowMs() - beganMs >= waitMs, until })
}
