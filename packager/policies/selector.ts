import { type CelMap, Unknown } from '../../contract/cel/values.ts'
import type { Selector } from './policy-schema.ts'

/** True, false or unknown, where a selector selects labels; an empty one selects everything. */
export function selects(selector: Selector, labels: CelMap): boolean | Unknown {
  const { matchLabels = {}, matchExpressions = [] } = selector
  const requirements = [
    ...Object.entries(matchLabels).map(([key, value]) => ({ key, operator: 'In' as const, values: [value] })),
    ...matchExpressions,
  ]
  return allOf(requirements.map(({ key, operator, values = [] }) => fulfils(labels, key, operator, values)))
}

export function isEmpty({ matchLabels = {}, matchExpressions = [] }: Selector = {}): boolean {
  return Object.keys(matchLabels).length + matchExpressions.length === 0
}

/** False where one of them is; else unknown where one of them is. */
export function allOf(results: readonly (boolean | Unknown)[]): boolean | Unknown {
  if (results.includes(false)) return false
  return results.find((result) => result instanceof Unknown) ?? true
}

function fulfils(labels: CelMap, key: string, operator: string, values: readonly string[]): boolean | Unknown {
  const has = labels.has(key)
  if (has instanceof Unknown) return has
  if (operator === 'Exists') return has
  if (operator === 'DoesNotExist') return !has
  if (!has) return operator === 'NotIn'
  const value = labels.get(key)
  if (value instanceof Unknown) return value
  return values.includes(String(value)) === (operator === 'In')
}
