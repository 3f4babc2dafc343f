import { setTimeout as pause } from 'node:timers/promises'
import type { JsonObject } from '../../../contract/canonical-json.ts'
import type {
  Cluster,
  ClusterAnswer,
  ClusterRequest,
  Identity,
  WatchEvent,
} from '../../../puller/cluster/cluster-port.ts'

type Call = {
  readonly as: Identity
  readonly path: string
  readonly query: Readonly<Record<string, string>>
  readonly accept?: string
}

/** Watches that say what a test tells them to, one after the other. */
export class FakeWatches implements Cluster {
  readonly calls: Call[] = []
  readonly lists: Call[] = []
  listAnswer: ClusterAnswer = { status: 404, body: {} }
  /** Of the watches that are open now. */
  readonly open = new Map<string, { push(event: WatchEvent): void; close(): void }>()
  /** What a watch throws in the place of its next event. */
  fail: Error | undefined
  /** What a watch that begins is answered with at once; `lost`: the server is away. By default it stays open. */
  begin: (call: Call) => readonly WatchEvent[] | 'lost' = () => []

  async request(as: Identity, { path, query = {} }: ClusterRequest): Promise<ClusterAnswer> {
    this.lists.push({ as, path, query })
    return this.listAnswer
  }

  async *watch(as: Identity, request: Omit<ClusterRequest, 'method' | 'body'>): AsyncGenerator<WatchEvent> {
    const { path, query = {}, signal, accept } = request
    const call = { as, path, query, ...(accept !== undefined && { accept }) }
    this.calls.push(call)
    const first = this.begin(call)
    if (first === 'lost')
      throw new (await import('../../../contract/errors.ts')).WaybillError('CLUSTER_UNREACHABLE', 'away')
    const queue: WatchEvent[] = [...first]
    let wake = () => {}
    let closed = false
    const line = {
      push: (event: WatchEvent) => {
        queue.push(event)
        wake()
      },
      close: () => {
        closed = true
        wake()
      },
    }
    this.open.set(path, line)
    signal?.addEventListener('abort', line.close)
    for (;;) {
      const next = queue.shift()
      if (next !== undefined) {
        if (this.fail !== undefined) throw this.fail
        yield next
        if (next.type === 'ERROR') return
      } else if (closed) return
      else await new Promise<void>((resolve) => (wake = resolve))
    }
  }

  async resource(): Promise<undefined> {
    return undefined
  }
}

export const SET = 'applyset-x-v1'

export function configMap(
  name: string,
  version: number,
  {
    time = 't1',
    applySet = SET,
    uid = 'u',
    entries = [],
    generation,
  }: {
    time?: string
    applySet?: string
    uid?: string
    entries?: readonly JsonObject[]
    generation?: number
  } = {},
): JsonObject {
  return {
    metadata: {
      name,
      namespace: 'shop',
      uid,
      resourceVersion: String(version),
      ...(generation === undefined ? {} : { generation }),
      labels: { 'applyset.kubernetes.io/part-of': applySet },
      managedFields: [
        { manager: 'waybill', operation: 'Apply', time, fieldsV1: { 'f:data': { 'f:a': {} } } },
        ...entries,
      ],
    },
  }
}

export const added = (object: JsonObject): WatchEvent => ({ type: 'ADDED', object })
export const modified = (object: JsonObject): WatchEvent => ({ type: 'MODIFIED', object })
export const deleted = (object: JsonObject): WatchEvent => ({ type: 'DELETED', object })
export const error = (code: number): WatchEvent => ({ type: 'ERROR', object: { code } })
export const bookmark = (version: number): WatchEvent => ({
  type: 'BOOKMARK',
  object: { metadata: { resourceVersion: String(version) } },
})
export const endOfList = (version: number): WatchEvent => ({
  type: 'BOOKMARK',
  object: { metadata: { resourceVersion: String(version), annotations: { 'k8s.io/initial-events-end': 'true' } } },
})

export async function settle(): Promise<void> {
  for (let i = 0; i < 5; i++) await pause(0)
}
