import { objectKey } from '../../contract/artifact/objects.ts'
import { isJsonObject, type JsonObject } from '../../contract/canonical-json.ts'
import type { Blindness, Teller } from './metadata-watch.ts'
import { isAlike, type Kind, type Print, printOf } from './print.ts'

/** What is told of a group's changes. */
export type GroupListener = {
  /** `key` is or was in this ApplySet and looks different now, or, with `isQuiet`, changed in what is no drift (its status, say). */
  changed(applySet: string, key: string, isQuiet: boolean): void
  /** It shows everything from now on, or nothing any more. */
  turned(): void
}

/** One kind in one namespace (or everywhere), as its watch shows it. */
export class Group implements Teller {
  readonly kind: Kind
  readonly #listener: GroupListener
  readonly #objects = new Map<string, Print>()
  #listing: Set<string> | undefined
  #state: 'starting' | 'listed' | Blindness = 'starting'
  #version = 0

  constructor(kind: Kind, listener: GroupListener) {
    this.kind = kind
    this.#listener = listener
  }

  /** Only `listed` shows anything. */
  get state(): 'starting' | 'listed' | Blindness {
    return this.#state
  }

  /** Everything up to here was told. */
  get version(): number {
    return this.#version
  }

  print(key: string): Print | undefined {
    return this.#objects.get(key)
  }

  get size(): number {
    return this.#objects.size
  }

  beginList(): void {
    this.#listing = new Set()
  }

  seen(object: JsonObject): void {
    const key = this.#keyOf(object)
    const print = printOf(this.kind, object)
    if (key === undefined || print === undefined) return
    this.#listing?.add(key)
    const before = this.#objects.get(key)
    if (before?.version === print.version && before.uid === print.uid) return
    this.#objects.set(key, print)
    const isQuiet = before !== undefined && isAlike(before, print)
    if (before !== undefined && before.applySet !== print.applySet) this.#listener.changed(before.applySet, key, false)
    this.#listener.changed(print.applySet, key, isQuiet)
  }

  gone(object: JsonObject): void {
    const key = this.#keyOf(object)
    if (key !== undefined) this.#lose(key)
  }

  at(version: number): void {
    this.#version = version
  }

  listed(): void {
    const listing = this.#listing ?? new Set()
    this.#listing = undefined
    for (const key of [...this.#objects.keys()]) if (!listing.has(key)) this.#lose(key)
    this.#turn('listed')
  }

  blind(why: Blindness): void {
    this.#turn(why)
  }

  #turn(state: Group['state']): void {
    if (this.#state === state) return
    this.#state = state
    this.#listener.turned()
  }

  #lose(key: string): void {
    const before = this.#objects.get(key)
    if (!this.#objects.delete(key) || before === undefined) return
    this.#listener.changed(before.applySet, key, false)
  }

  #keyOf({ metadata }: JsonObject): string | undefined {
    if (!isJsonObject(metadata) || typeof metadata.name !== 'string') return undefined
    const namespace = typeof metadata.namespace === 'string' ? metadata.namespace : ''
    return objectKey({ ...this.kind, namespace, name: metadata.name })
  }
}
