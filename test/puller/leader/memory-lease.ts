import type { JsonObject } from '../../../contract/canonical-json.ts'
import { WaybillError } from '../../../contract/errors.ts'
import type { LeaseStore } from '../../../puller/leader/lease-store.ts'

/** A Lease as an API server keeps it, with versions; and the line to it, which can be cut or stall. */
export class MemoryLease {
  #lease: JsonObject | undefined
  #version = 0
  readonly writes: JsonObject[] = []
  gone(): void {
    this.#lease = undefined
  }
  /** Somebody else's write. */
  set(change: { readonly spec?: JsonObject; readonly annotations?: JsonObject }): void {
    const { spec, metadata } = this.#lease ?? {}
    this.#keep({
      metadata: { ...(metadata as JsonObject), annotations: change.annotations ?? {} },
      spec: { ...(spec as JsonObject), ...change.spec },
    })
  }
  get spec(): JsonObject {
    return (this.#lease?.spec ?? {}) as JsonObject
  }
  #keep(lease: JsonObject): JsonObject {
    this.#version += 1
    this.#lease = { ...lease, metadata: { ...(lease.metadata as JsonObject), resourceVersion: String(this.#version) } }
    this.writes.push(this.#lease)
    return structuredClone(this.#lease)
  }
  line(): Line {
    const line: Line = { state: 'up', name: 'waybill-puller', namespace: 'waybill-system', read, create, replace }
    const reached = async (signal: AbortSignal) => {
      const down = () => new WaybillError('CLUSTER_UNREACHABLE', 'no answer')
      if (line.state === 'cut') throw down()
      if (line.state === 'up') return
      await new Promise<void>((_, reject) => signal.addEventListener('abort', () => reject(down()), { once: true }))
    }
    const self = this
    async function read(signal: AbortSignal) {
      await reached(signal)
      return structuredClone(self.#lease)
    }
    async function create(lease: JsonObject, signal: AbortSignal) {
      await reached(signal)
      return self.#lease === undefined ? self.#keep(lease) : 'conflict'
    }
    async function replace(lease: JsonObject, signal: AbortSignal) {
      await reached(signal)
      const { resourceVersion } = lease.metadata as JsonObject
      return resourceVersion === (self.#lease?.metadata as JsonObject | undefined)?.resourceVersion
        ? self.#keep(lease)
        : 'conflict'
    }
    return line
  }
}

export type Line = LeaseStore & { state: 'up' | 'cut' | 'stalled' }
