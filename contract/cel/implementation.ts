import type { Result, Value } from './values.ts'

/** Called with as many values as the signature has parameters, each of its type. */
export type Implementation = (...args: readonly Value[]) => Result

/** Implementations by signature. */
export type FunctionTable = {
  readonly functions?: Readonly<Record<string, Implementation>>
  readonly methods?: Readonly<Record<string, Implementation>>
}
