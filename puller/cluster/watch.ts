import { isJsonObject, type JsonObject } from '../../contract/canonical-json.ts'
import { WaybillError } from '../../contract/errors.ts'
import { type Clock, withJitter } from '../clock.ts'
import type { Cluster } from './cluster-port.ts'
import { resourceVersionOf } from './version.ts'

/** What is told of a collection that is followed. Objects are those of the API server, whole. */
export type Follower = {
  /** An object that is new or changed. `before` is the one known until now. */
  onChange(object: JsonObject, before: JsonObject | undefined): void
  onGone(object: JsonObject): void
  /** The list is known; called after the first list and after each one that had to be taken again. */
  onListed?(): void
  /** Listing or watching failed; it is tried again. Told once for each error code until it goes well again. */
  onTrouble?(error: unknown): void
  /** What failed goes well again: a watch stands. */
  onRecovered?(): void
}

export type Followed = {
  /** Everything known now. */
  readonly objects: () => readonly JsonObject[]
  /** Settles when `signal` aborts. */
  readonly ended: Promise<void>
}

const PAGE = 500
const RETRY_MIN_MS = 500
const RETRY_MAX_MS = 30_000

/**
 * Lists a collection as the puller and follows it by watching: bookmarks keep the place, 410 Gone leads to a new list (what vanished
 * meanwhile is told as gone), a lost connection to a new watch after a jittered pause.
 */
export function follow(
  cluster: Cluster,
  path: string,
  follower: Follower,
  options: { readonly clock: Clock; readonly signal: AbortSignal },
): Followed {
  const known = new Map<string, JsonObject>()
  const take = (object: JsonObject): void => {
    const key = keyOf(object)
    const before = known.get(key)
    if (before !== undefined && resourceVersionOf(before) === resourceVersionOf(object)) return
    known.set(key, object)
    follower.onChange(object, before)
  }
  const lose = (key: string): void => {
    const before = known.get(key)
    if (!known.delete(key) || before === undefined) return
    follower.onGone(before)
  }
  const relist = async (): Promise<string> => {
    const { items, resourceVersion } = await listAll(cluster, path, options.signal)
    const keys = new Set(items.map(keyOf))
    for (const key of [...known.keys()]) if (!keys.has(key)) lose(key)
    for (const item of items) take(item)
    follower.onListed?.()
    return resourceVersion
  }
  const watchFrom = async (resourceVersion: string): Promise<string | undefined> => {
    let at = resourceVersion
    const query = { resourceVersion: at, allowWatchBookmarks: 'true' }
    for await (const { type, object } of cluster.watch('puller', { path, query, signal: options.signal })) {
      if (type === 'ERROR') return undefined
      trouble.over()
      at = resourceVersionOf(object) || at
      if (type === 'DELETED') lose(keyOf(object))
      else if (type !== 'BOOKMARK') take(object)
    }
    if (!options.signal.aborted) trouble.over()
    return at
  }
  const trouble = troubleOf(follower)
  const run = async (): Promise<void> => {
    let at: string | undefined
    let failures = 0
    while (!options.signal.aborted) {
      try {
        const begunMs = options.clock.nowMs()
        const watching = at !== undefined
        at = at === undefined ? await relist() : await watchFrom(at)
        failures = 0
        // A server that ends each watch at once is not asked again at once.
        if (watching && options.clock.nowMs() - begunMs < RETRY_MIN_MS)
          await options.clock.sleep(withJitter(RETRY_MIN_MS, options.clock), options.signal)
      } catch (error) {
        if (options.signal.aborted) return
        trouble.met(error)
        failures += 1
        const pauseMs = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** Math.min(failures, 10))
        await options.clock.sleep(withJitter(pauseMs, options.clock), options.signal)
        // What was missed while the connection was away may be gone from the server's memory: list again after the second failure.
        if (failures > 1) at = undefined
      }
    }
  }
  return { objects: () => [...known.values()], ended: run() }
}

/** Where listing goes well and watching does not, each list is no news. */
function troubleOf(follower: Pick<Follower, 'onTrouble' | 'onRecovered'>) {
  const told = new Set<unknown>()
  return {
    met: (error: unknown): void => {
      const code = error instanceof WaybillError ? error.code : undefined
      if (told.has(code)) return
      told.add(code)
      follower.onTrouble?.(error)
    },
    over: (): void => {
      if (told.size === 0) return
      told.clear()
      follower.onRecovered?.()
    },
  }
}

/** Every object of a collection, by pages, as the puller. @throws WaybillError CLUSTER_NOT_INSTALLED, CLUSTER_FORBIDDEN, CLUSTER_FAILED */
export async function listAll(
  cluster: Cluster,
  path: string,
  signal?: AbortSignal,
): Promise<{ readonly items: readonly JsonObject[]; readonly resourceVersion: string }> {
  const items: JsonObject[] = []
  for (let from = ''; ; ) {
    const { status, body } = await cluster.request('puller', {
      method: 'GET',
      path,
      query: { limit: String(PAGE), ...(from === '' ? {} : { continue: from }) },
      ...(signal === undefined ? {} : { signal }),
    })
    if (status === 404) throw new WaybillError('CLUSTER_NOT_INSTALLED', `the API server does not know ${path}`)
    if (status === 403) throw new WaybillError('CLUSTER_FORBIDDEN', `the puller may not list ${path}`)
    if (status !== 200) throw new WaybillError('CLUSTER_FAILED', `listing ${path}: the API server answered ${status}`)
    items.push(...(Array.isArray(body.items) ? body.items : []).filter(isJsonObject))
    const metadata = isJsonObject(body.metadata) ? body.metadata : {}
    from = typeof metadata.continue === 'string' ? metadata.continue : ''
    if (from === '') return { items, resourceVersion: String(metadata.resourceVersion ?? '') }
  }
}

function keyOf(object: JsonObject): string {
  const metadata = isJsonObject(object.metadata) ? object.metadata : {}
  return `${metadata.namespace ?? ''}/${metadata.name ?? ''}/${metadata.uid ?? ''}`
}
