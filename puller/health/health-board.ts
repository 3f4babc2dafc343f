import type { KubeObject } from '../../contract/artifact/objects.ts'
import type { DesiredObject } from '../plan/desired.ts'
import { healthOf, type ObjectHealth } from './health.ts'

/** `Deployment.apps shop/api`, and why in our own words. */
export type HealthNote = { readonly object: string; readonly message: string }

export type Health = {
  /** Nothing failed and nothing is waited for. */
  readonly healthy: boolean
  readonly failed: readonly HealthNote[]
  readonly waiting: readonly HealthNote[]
}

/** How each of some objects stands, as the newest event said. */
export class HealthBoard {
  readonly #names = new Map<string, string>()
  readonly #states = new Map<string, ObjectHealth>()
  onChange: () => void = () => {}

  constructor(objects: readonly DesiredObject[]) {
    for (const { key, name } of objects) {
      this.#names.set(key, name)
      this.#states.set(key, { state: 'waiting', message: 'not seen yet' })
    }
  }

  has(key: string): boolean {
    return this.#names.has(key)
  }

  seen(key: string, object: KubeObject): void {
    this.set(key, healthOf(object))
  }

  set(key: string, health: ObjectHealth): void {
    const before = this.#states.get(key)
    if (before === undefined) return
    this.#states.set(key, health)
    if (before.state !== health.state || messageOf(before) !== messageOf(health)) this.onChange()
  }

  ready(): number {
    return [...this.#states.values()].filter(({ state }) => state === 'healthy').length
  }

  health(): Health {
    const failed = this.#notes('failed')
    const waiting = this.#notes('waiting')
    return { healthy: failed.length === 0 && waiting.length === 0, failed, waiting }
  }

  #notes(state: 'failed' | 'waiting'): readonly HealthNote[] {
    return [...this.#states].flatMap(([key, health]) =>
      health.state === state ? [{ object: this.#names.get(key) ?? key, message: messageOf(health) }] : [],
    )
  }
}

function messageOf(health: ObjectHealth): string {
  return health.state === 'healthy' ? '' : health.message
}
