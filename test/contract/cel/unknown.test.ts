import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compile } from '../../../contract/cel/compile.ts'
import type { Declaration } from '../../../contract/cel/node.ts'
import { parseExpression } from '../../../contract/cel/parser.ts'
import { DYN } from '../../../contract/cel/typing.ts'
import { CelMap, EvaluationError, Unknown } from '../../../contract/cel/values.ts'

/** `x.there` is unknown, `x.maybe` may not even be there, `x.a` is 1, and `x.no` is not there. */
const x = new CelMap(
  new Map([['a', 1n]]),
  new Map([
    ['there', { unknown: new Unknown('there'), present: true }],
    ['maybe', { unknown: new Unknown('maybe'), present: false }],
  ]),
)

function evaluate(expression: string): unknown {
  let slots = 1
  const variables = new Map<string, Declaration>([['x', { type: DYN, read: 0 }]])
  const none = { fields: {}, unsupported: new Set<string>(), namespaces: new Set<string>() }
  const result = compile(parseExpression(expression), { variables, ...none, nextSlot: () => slots++ }).run([x])
  return result instanceof Unknown ? 'unknown' : result instanceof EvaluationError ? 'error' : result
}

test('what does not depend on the unknown has a value, and everything else is unknown', () => {
  const cases: Readonly<Record<string, unknown>> = {
    'x.there == 1': 'unknown',
    'x.maybe == 1': 'unknown',
    'has(x.there)': true,
    'has(x.maybe)': 'unknown',
    '!has(x.maybe)': 'unknown',
    'x.maybe == 1 && x.a == 2': false,
    'x.a == 2 && x.maybe == 1': false,
    'x.maybe == 1 && x.a == 1': 'unknown',
    'x.maybe == 1 || x.a == 1': true,
    'x.maybe == 1 || x.a == 2': 'unknown',
    'x.maybe ? true : true': 'unknown',
    'x.?maybe.orValue(1) == 1': 'unknown',
    '"maybe" in x': 'unknown',
    '"there" in x': true,
    '"no" in x': false,
    'size(x) == 2': 'unknown',
    'x.all(k, k != "")': 'unknown',
    'x == {"a": 2}': false,
    'x == {"a": 1}': false,
    'x == {"a": 1, "there": 2}': 'unknown',
    '[x.a, x.maybe].size() == 2': 'unknown',
    '[1, 2].all(i, i == 1 && x.maybe == 1)': false,
    '[1, 2].all(i, x.maybe == i)': 'unknown',
    '[1, 2].exists(i, i == 2 || x.maybe == i)': true,
    '[1, 2].filter(i, x.maybe == i).size() > 0': 'unknown',
    '[1, 2].map(i, x.maybe).size() == 2': 'unknown',
    // An error is sure, unless what is unknown may decide before it.
    'x.no == 1 && x.maybe == 1': 'unknown',
    'x.no + x.maybe == 1': 'error',
    'x.no == 1': 'error',
    '[x.maybe, x.no].size() == 2': 'error',
    'x[x.maybe]': 'unknown',
    'x[x.no]': 'error',
  }
  for (const [expression, expected] of Object.entries(cases)) assert.equal(evaluate(expression), expected, expression)
})
