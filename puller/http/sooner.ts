import { isJsonObject, type JsonObject } from '../../contract/canonical-json.ts'
import type { Clock } from '../clock.ts'

/** A push is several requests to a registry, and the tag is the last: what follows soon is waited for. */
const GATHER_MS = 500
/** A Delivery is not looked at more often than this, however often it is told of. */
const APART_MS = 5_000

/** Asks for looks at Deliveries, each once for all that asked within a while. */
export function createSooner(
  clock: Clock,
  look: (id: string) => void,
  signal: AbortSignal,
): (ids: readonly string[]) => void {
  const waiting = new Set<string>()
  const lookedAtMs = new Map<string, number>()
  const soon = async (id: string): Promise<void> => {
    const nowMs = clock.nowMs()
    const last = lookedAtMs.get(id)
    const leftMs = last === undefined || last > nowMs ? 0 : last + APART_MS - nowMs
    await clock.sleep(Math.max(GATHER_MS, leftMs), signal)
    waiting.delete(id)
    if (signal.aborted) return
    for (const [other, atMs] of lookedAtMs) if (clock.nowMs() - atMs > APART_MS) lookedAtMs.delete(other)
    lookedAtMs.set(id, clock.nowMs())
    look(id)
  }
  return (ids) => {
    for (const id of ids) {
      if (waiting.has(id)) continue
      waiting.add(id)
      void soon(id)
    }
  }
}

/** Whether a Delivery follows one of these repositories, which are paths without a host: who told of them may know the registry by another name. */
export function follows(delivery: JsonObject, repositories: ReadonlySet<string>): boolean {
  const spec = isJsonObject(delivery.spec) ? delivery.spec : {}
  const source = isJsonObject(spec.source) ? spec.source : {}
  const { repository } = source
  return typeof repository === 'string' && repositories.has(repository.slice(repository.indexOf('/') + 1))
}
