import type { CelType } from './typing.ts'
import type { Result } from './values.ts'

/** What variables hold while one object is looked at; undefined where nothing is known yet. */
export type Frame = (Result | undefined)[] & {
  /** How many items macros have walked over. */
  steps?: number
  /** What was spent so far, and may be spent at most (contract/cel/work.ts). */
  work?: number
  workMax?: number
}

/** An expression that was checked and can be evaluated, again and again. */
export type Node = { readonly type: CelType; readonly run: (frame: Frame) => Result }

export type Declaration = {
  readonly type: CelType
  /** Where a frame holds it, or how it comes about. */
  readonly read: number | ((frame: Frame) => Result)
}

/** What an expression may name: variables, and the fields of objects whose type is known. */
export type Environment = {
  readonly variables: ReadonlyMap<string, Declaration>
  readonly fields: Readonly<Record<string, ReadonlyMap<string, CelType>>>
  /** Whole names of variables and fields that exist in Kubernetes, and not here. */
  readonly unsupported: ReadonlySet<string>
  /** Names that only stand before a dot: `variables`. */
  readonly namespaces: ReadonlySet<string>
  /** Gives the next free place of a frame. */
  readonly nextSlot: () => number
}
