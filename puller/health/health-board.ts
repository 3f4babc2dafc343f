import type { KubeObject } from '../../contract/artifact/objects.ts'
import { versionOf } from '../cluster/version.ts'
import type { DesiredObject } from '../plan/desired.ts'
import { isRemovedWhenFinished } from '../plan/runs.ts'
import { hasEnded, type ObjectHealth } from './health.ts'
import { HEALTHY } from './object-health.ts'
import type { HealthRules } from './rules.ts'

/** `Deployment.apps shop/api`, and why in our own words. */
export type HealthNote = { readonly object: string; readonly message: string }

export type Health = {
  /** Nothing failed and nothing is waited for. */
  readonly healthy: boolean
  readonly failed: readonly HealthNote[]
  readonly waiting: readonly HealthNote[]
  /** metadata.resourceVersion of what was seen, by object key. */
  readonly versions: ReadonlyMap<string, number>
}

/** How each of some objects stands, as the newest event said. */
export class HealthBoard {
  readonly #objects = new Map<string, DesiredObject>()
  readonly #states = new Map<string, ObjectHealth>()
  readonly #versions = new Map<string, number>()
  onChange: () => void = () => {}

  readonly #rules: HealthRules
  /** Kept with each change: there may be twenty thousand objects, and each may change. */
  readonly #counts = { healthy: 0, failed: 0, waiting: 0 }

  constructor(objects: readonly DesiredObject[], rules: HealthRules) {
    this.#rules = rules
    for (const object of objects) {
      this.#objects.set(object.key, object)
      this.#states.set(object.key, { state: 'waiting', message: 'not seen yet' })
    }
    this.#counts.waiting = this.#states.size
  }

  has(key: string): boolean {
    return this.#objects.has(key)
  }

  seen(key: string, object: KubeObject): void {
    const desired = this.#objects.get(key)
    if (desired === undefined) return
    this.#versions.set(key, versionOf(object))
    this.set(key, this.#rules.judge(desired, object))
  }

  /** As it was when it was deleted: what had ended by then is not missed. */
  gone(key: string, object: KubeObject): void {
    if (hasEnded(object)) this.seen(key, { ...object, metadata: { ...object.metadata, deletionTimestamp: undefined } })
    else this.set(key, { state: 'waiting', message: 'it was deleted' })
  }

  /** There is none of that name, or its label is gone. */
  missing(key: string): void {
    const object = this.#objects.get(key)
    const mayHaveEnded = object !== undefined && !object.runsOnce && isRemovedWhenFinished(object)
    this.set(
      key,
      mayHaveEnded ? HEALTHY : { state: 'waiting', message: 'it is not there, or its ApplySet label is gone' },
    )
  }

  set(key: string, health: ObjectHealth): void {
    const before = this.#states.get(key)
    if (before === undefined) return
    this.#states.set(key, health)
    this.#counts[before.state] -= 1
    this.#counts[health.state] += 1
    if (before.state !== health.state || messageOf(before) !== messageOf(health)) this.onChange()
  }

  ready(): number {
    return this.#counts.healthy
  }

  /** All are healthy, or one has failed. */
  isSettled(): boolean {
    return this.#counts.failed > 0 || this.#counts.waiting === 0
  }

  health(): Health {
    const failed = this.#notes('failed')
    const waiting = this.#notes('waiting')
    return { healthy: failed.length === 0 && waiting.length === 0, failed, waiting, versions: this.#versions }
  }

  #notes(state: 'failed' | 'waiting'): readonly HealthNote[] {
    return [...this.#states].flatMap(([key, health]) =>
      health.state === state ? [{ object: this.#objects.get(key)?.name ?? key, message: messageOf(health) }] : [],
    )
  }
}

function messageOf(health: ObjectHealth): string {
  return health.state === 'healthy' ? '' : health.message
}
