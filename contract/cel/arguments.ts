import assert from 'node:assert'
import { CelMap, isList, Optional, type Value } from './values.ts'

/**
 * What a function takes out of its arguments: signatures were checked before, so that anything else is a fault of ours, and crashes.
 */
export function text(value: Value | undefined): string {
  assert(typeof value === 'string')
  return value
}

export function int(value: Value | undefined): bigint {
  assert(typeof value === 'bigint')
  return value
}

export function double(value: Value | undefined): number {
  assert(typeof value === 'number')
  return value
}

export function list(value: Value | undefined): readonly Value[] {
  assert(value !== undefined && isList(value))
  return value
}

export function map(value: Value | undefined): CelMap {
  assert(value instanceof CelMap)
  return value
}

export function optional(value: Value | undefined): Optional {
  assert(value instanceof Optional)
  return value
}
