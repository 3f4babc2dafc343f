import type { Clock } from '../clock.ts'
import type { Cluster, Identity, Resource } from '../cluster/cluster-port.ts'
import { collectionPath } from '../cluster/resources.ts'
import { isStatic } from '../health/health.ts'
import type { Onlooker } from '../health/onlooker.ts'
import { Group } from './group.ts'
import { watchMetadata } from './metadata-watch.ts'

/** One kind in one namespace; '' for kinds without one. */
export type Place = { readonly resource: Resource; readonly namespace: string }

/** A Delivery as the hub tells it what it sees. */
export type Watcher = {
  readonly applySet: string
  changed(key: string, isQuiet: boolean): void
  /** In what is no drift, and no health rests on by the rules of its kind. */
  rewritten(key: string): void
  turned(): void
}

type Running = {
  readonly group: Group
  readonly watchers: Set<Watcher>
  readonly stop: AbortController
  readonly over: Promise<void>
}

type Target = { readonly id: string; readonly as: Identity; readonly path: string; readonly resource: Resource }

export type HubOptions = {
  readonly clock: Clock
  /** `group/Kind` (core: `/Kind`) of what is watched everywhere, as the puller itself, in the place of each account's watches. */
  readonly sharedKinds?: ReadonlySet<string>
  /** A fault of ours in a watch. */
  readonly onFault: (error: unknown) => void
}

/**
 * Metadata-only watches, one for each identity, namespace and resource in use, shared by the Deliveries that it serves: begun for the
 * first, ended with the last.
 */
export class Hub {
  readonly #cluster: Cluster
  readonly #options: HubOptions
  readonly #running = new Map<string, Running>()
  readonly #watchers = new Map<string, Watcher>()
  readonly #over = new Set<Promise<void>>()

  constructor(cluster: Cluster, options: HubOptions) {
    this.#cluster = cluster
    this.#options = options
  }

  /** Watches that run now. */
  get size(): number {
    return this.#running.size
  }

  /** Follows exactly these places for a watcher, in the place of those it had. By `place` in the order given. */
  follow(watcher: Watcher, account: Identity, places: readonly Place[]): readonly Group[] {
    this.#watchers.set(watcher.applySet, watcher)
    const wanted = places.map((place) => this.#targetOf(account, place))
    const groups = wanted.map((target) => {
      const running = this.#running.get(target.id) ?? this.#begin(target)
      running.watchers.add(watcher)
      return running.group
    })
    this.#leave(watcher, new Set(wanted.map(({ id }) => id)))
    return groups
  }

  /**
   * Begins to follow one more place for a watcher, and shows the onlooker whole objects at first; false where that runs already or is shared, and for
   * kinds without a namespace, of which others have many and large ones (CRDs).
   */
  lookOn(watcher: Watcher, account: Identity, place: Place, onlooker: Onlooker): boolean {
    const target = this.#targetOf(account, place)
    if (place.namespace === '' || target.as === 'puller' || this.#running.has(target.id)) return false
    this.#watchers.set(watcher.applySet, watcher)
    this.#begin(target, onlooker).watchers.add(watcher)
    return true
  }

  /** Forgets a watcher, and ends what only it needed. */
  drop(watcher: Watcher): void {
    if (this.#watchers.get(watcher.applySet) === watcher) this.#watchers.delete(watcher.applySet)
    this.#leave(watcher, new Set())
  }

  /** Resolves when every watch is over. */
  async end(): Promise<void> {
    for (const { stop } of this.#running.values()) stop.abort()
    this.#running.clear()
    await Promise.all(this.#over)
  }

  #targetOf(account: Identity, { resource, namespace }: Place): Target {
    const isShared = this.#options.sharedKinds?.has(`${resource.group}/${resource.kind}`) === true
    const as = isShared ? 'puller' : account
    const path = collectionPath(resource, isShared ? '' : namespace)
    const who = as === 'puller' ? 'puller' : `${as.namespace}/${as.serviceAccount}`
    return { id: `${who} ${path}`, as, path, resource }
  }

  #begin({ id, as, path, resource }: Target, onlooker?: Onlooker): Running {
    const watchers = new Set<Watcher>()
    const hasHealth = !isStatic(resource)
    const group = new Group(resource, {
      changed: (applySet, key, isQuiet) => {
        const watcher = this.#watchers.get(applySet)
        if (watcher === undefined || !watchers.has(watcher)) return
        if (isQuiet && !hasHealth) watcher.rewritten(key)
        else watcher.changed(key, isQuiet)
      },
      turned: () => {
        for (const watcher of watchers) watcher.turned()
      },
    })
    const stop = new AbortController()
    const { clock, onFault } = this.#options
    const options = { clock, signal: stop.signal, ...(onlooker === undefined ? {} : { onlooker }) }
    const over: Promise<void> = watchMetadata(this.#cluster, { as, path }, group, options)
      .catch((fault) => {
        onFault(fault)
        // Nobody takes it for one that shows something, and who needs it begins it anew.
        if (this.#running.get(id) === running) this.#running.delete(id)
        group.blind('unanswered')
      })
      .finally(() => this.#over.delete(over))
    this.#over.add(over)
    const running: Running = { group, watchers, stop, over }
    this.#running.set(id, running)
    return running
  }

  #leave(watcher: Watcher, wanted: ReadonlySet<string>): void {
    for (const [id, { watchers, stop }] of this.#running) {
      if (wanted.has(id) || !watchers.delete(watcher) || watchers.size > 0) continue
      this.#running.delete(id)
      stop.abort()
    }
  }
}
