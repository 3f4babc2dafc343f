import { hasCode } from '../contract/errors.ts'
import type { Clock } from './clock.ts'
import { sayError } from './message.ts'

/** An API server that has just started knows its rights within seconds. */
const FORBIDDEN_MS = 60_000
const AGAIN_MS = 2_000

/**
 * The first things that a puller reads. An API server that has just started forbids everything for a moment: with `patience` that is asked
 * again for a minute, and said once; without, what is forbidden fails at once, as everything else does in any case.
 * @throws WaybillError CLUSTER_FORBIDDEN after that, and what `read` throws
 */
export async function firstLook(
  read: () => Promise<void>,
  {
    clock,
    signal,
    patience,
    log,
  }: {
    readonly clock: Clock
    readonly signal: AbortSignal
    readonly patience: boolean
    readonly log: { warn(fields: object, message: string): void }
  },
): Promise<void> {
  const begunMs = clock.monotonicMs()
  for (let tries = 1; ; tries++) {
    try {
      return await read()
    } catch (error) {
      const isOver = clock.monotonicMs() - begunMs >= FORBIDDEN_MS
      if (!patience || isOver || signal.aborted || !hasCode(error, 'CLUSTER_FORBIDDEN')) throw error
      const { code, message } = sayError(error)
      if (tries === 1)
        log.warn({ code }, `${message}; an API server that has just started says so, it is asked again for a minute`)
      await clock.sleep(AGAIN_MS, signal)
    }
  }
}
