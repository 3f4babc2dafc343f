import { isJsonObject, type Json, type JsonObject } from '../../contract/canonical-json.ts'
import type { Cluster, ClusterAnswer, ClusterRequest, Identity } from '../../puller/cluster/cluster-port.ts'

/** What the fake does to one request instead of answering it. */
export type Fault = 'lost' | 'crash-before' | 'crash-after' | 'conflict'

/**
 * Objects by path, with names that cannot be taken twice and versions that move, merge patches, JSON patches (test, add and remove) and label selectors: enough for the ledger's order
 * of writes and its crashes. Server-side apply, admission and schemas are for the real API server.
 */
export class FakeCluster implements Cluster {
  readonly objects = new Map<string, JsonObject>()
  /** `POST /apis/…`, each write in its order. */
  readonly writes: string[] = []
  readonly identities = new Set<Identity>()
  /** Asked before each write. `lost`: done, and the answer never arrives. */
  onWrite: (line: string) => Fault | undefined = () => undefined
  #version = 0

  async request(as: Identity, request: ClusterRequest): Promise<ClusterAnswer> {
    this.identities.add(as)
    if (request.method === 'GET') return this.#get(request)
    const line = `${request.method} ${request.path}`
    const fault = this.onWrite(line)
    if (fault === 'crash-before') throw new Error('killed before the write')
    if (fault === 'conflict') return { status: 409, body: { reason: 'Conflict' } }
    const answer = this.#write(request)
    this.writes.push(line)
    if (fault !== undefined) throw new Error(`killed after the write: ${fault}`)
    return answer
  }

  // biome-ignore lint/correctness/useYield: the ledger watches nothing
  async *watch(): AsyncGenerator<never> {
    throw new Error('not in the fake')
  }

  async resource(): Promise<undefined> {
    return undefined
  }

  #get({ path, query }: ClusterRequest): ClusterAnswer {
    const found = this.objects.get(path)
    if (found !== undefined) return { status: 200, body: found }
    if (!/\/(?:deliveryrecords|deliveryinventories|secrets|configmaps)$/.test(path))
      return { status: 404, body: { reason: 'NotFound' } }
    const [key = '', value = ''] = (query?.labelSelector ?? '').split('=')
    const all = [...this.objects.entries()]
      .filter(([at, object]) => at.startsWith(`${path}/`) && labelOf(object, key) === value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([, object]) => object)
    const from = Number(query?.continue ?? 0)
    const to = from + Number(query?.limit ?? all.length)
    const more = to < all.length ? { continue: String(to) } : {}
    return { status: 200, body: { items: all.slice(from, to), metadata: more } }
  }

  #write({ method, path, body }: ClusterRequest): ClusterAnswer {
    const object = isJsonObject(body) ? body : {}
    if (method === 'POST') {
      const metadata = isJsonObject(object.metadata) ? object.metadata : {}
      const at = `${path}/${String(metadata.name)}`
      if (this.objects.has(at)) return { status: 409, body: { reason: 'AlreadyExists' } }
      const made = this.#versioned(object)
      this.objects.set(at, made)
      return { status: 201, body: made }
    }
    const before = this.objects.get(path)
    if (before === undefined) return { status: 404, body: { reason: 'NotFound' } }
    if (method === 'DELETE') {
      this.objects.delete(path)
      return { status: 200, body: {} }
    }
    const changed = Array.isArray(body) ? patched(before, body) : merge(before, object)
    if (changed === undefined) return { status: 422, body: { reason: 'Invalid' } }
    const after = this.#versioned(changed)
    this.objects.set(path, after)
    return { status: 200, body: after }
  }

  #versioned(object: JsonObject): JsonObject {
    this.#version += 1
    return merge(object, { metadata: { resourceVersion: String(this.#version) } })
  }
}

function labelOf(object: JsonObject, key: string): Json | undefined {
  const { metadata } = object
  const labels = isJsonObject(metadata) ? metadata.labels : undefined
  return isJsonObject(labels) ? labels[key] : undefined
}

/** Undefined where a test does not hold. */
function patched(before: JsonObject, operations: readonly JsonObject[]): JsonObject | undefined {
  let after = before
  for (const { op, path, value } of operations) {
    const names = String(path).split('/').slice(1)
    const found = names.reduce<Json | undefined>((at, name) => (isJsonObject(at) ? at[name] : undefined), after)
    if (op === 'test' && found !== value) return undefined
    if (op === 'add') after = merge(after, nested(names, value ?? null))
    if (op === 'remove') after = merge(after, nested(names, null))
  }
  return after
}

function nested([name = '', ...rest]: readonly string[], value: Json): JsonObject {
  return { [name]: rest.length === 0 ? value : nested(rest, value) }
}

function merge(before: JsonObject, patch: JsonObject): JsonObject {
  const after: Record<string, Json | undefined> = { ...before }
  for (const [field, value] of Object.entries(patch)) {
    const old = after[field]
    if (value === null) delete after[field]
    else after[field] = isJsonObject(value) ? merge(isJsonObject(old) ? old : {}, value) : value
  }
  return after
}
