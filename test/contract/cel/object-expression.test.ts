import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { JsonObject } from '../../../contract/canonical-json.ts'
import { compileObjectExpression, subjectOf, type Verdict } from '../../../contract/cel/object-expression.ts'
import { LIMITS } from '../../../contract/limits.ts'

const CERTIFICATE: JsonObject = {
  apiVersion: 'cert-manager.io/v1',
  kind: 'Certificate',
  metadata: { name: 'shop', generation: 3, labels: { tier: 'web' } },
  spec: { replicas: 2 },
  status: {
    observedGeneration: 3,
    availableReplicas: 2,
    conditions: [
      { type: 'Ready', status: 'True' },
      { type: 'Issuing', status: 'False' },
    ],
  },
}

test('expressions that Flux users have written read the fields of the object by their own names', () => {
  const cases: Readonly<Record<string, boolean>> = {
    "status.conditions.filter(e, e.type == 'Ready').all(e, e.status == 'True')": true,
    "status.conditions.filter(e, e.type == 'Ready').all(e, e.status == 'False')": false,
    "has(status.conditions) && status.conditions.exists(e, e.type == 'Issuing' && e.status == 'True')": false,
    'spec.replicas == status.availableReplicas': true,
    'metadata.generation != status.observedGeneration': false,
    "kind == 'Certificate' && apiVersion.startsWith('cert-manager.io/')": true,
    "metadata.labels[?'tier'].orValue('') == 'web'": true,
    "status.?phase.orValue('none') in ['none', 'Done']": true,
    'has(status.phase)': false,
    'type(spec.replicas) == int': true,
    // A macro's own variable hides the field of its name.
    '[1, 2].all(status, status > 0)': true,
  }
  for (const [source, value] of Object.entries(cases))
    assert.deepEqual(verdict(source, CERTIFICATE), { kind: 'value', value }, source)
})

test('kinds of any shape have their fields at the top', () => {
  assert.deepEqual(verdict("data.ready == 'yes'", { kind: 'ConfigMap', data: { ready: 'yes' } }), {
    kind: 'value',
    value: true,
  })
})

test('what cannot be told is an error with a reason, and never an exception', () => {
  const cases: Readonly<Record<string, string>> = {
    'status.phase == 1': 'no such key: phase',
    'phase == 1': 'no such field: phase',
    'status.conditions[9].type == ""': 'index out of bounds: 9',
    'spec.replicas / 0 == 1': 'division by zero',
    'spec.replicas': 'the result is not true or false',
    'metadata.labels + 1 == 2': 'no such overload',
  }
  for (const [source, message] of Object.entries(cases))
    assert.deepEqual(verdict(source, CERTIFICATE), { kind: 'error', message }, source)
})

test('no error quotes a value of a Secret', () => {
  const secret = { apiVersion: 'v1', kind: 'Secret', data: { password: 'aHVudGVyMg==' } }
  const quoting = "{'a': 1}[data.password] == 1"
  assert.deepEqual(verdict(quoting, { ...secret, kind: 'Other' }), {
    kind: 'error',
    message: 'no such key: aHVudGVyMg==',
  })
  assert.deepEqual(verdict(quoting, secret), { kind: 'error', message: 'it cannot be evaluated' })
})

test('what is no expression, or can never be true or false, is told before anything is evaluated', () => {
  const cases: Readonly<Record<string, RegExp>> = {
    '': /^syntax error at the end$/,
    'status.conditions.all(e, ': /^syntax error/,
    'size(status)': /^it must be bool, and is int$/,
    '1 + "a" == 2': /^found no matching overload/,
    "status.at < timestamp('2026-01-01T00:00:00Z')": /^the function timestamp\(\) cannot be evaluated here$/,
    'status.text.matches("(")': /^not a regular expression of RE2/,
    [`${'!'.repeat(LIMITS.expressionCharsMax)}true`]: /^it has more than 4096 characters$/,
  }
  for (const [source, message] of Object.entries(cases)) {
    const compiled = compileObjectExpression(source)
    assert.ok(compiled.kind === 'invalid', source)
    assert.match(compiled.message, message)
  }
})

/** Work is counted, so that nothing here depends on how fast the machine is: without the count, these take minutes or all memory. */
const BIG: JsonObject = {
  text: 'a'.repeat(1_000_000),
  items: Array.from({ length: 20_000 }, (_, i) => i),
  words: Array.from({ length: 2_000 }, (_, i) => 'w'.repeat(300) + i),
}

test('an expression that would keep the program busy gives up', () => {
  const doubled = Array.from({ length: 60 }).reduce<string>(
    (inner) => `optional.of(${inner}).optMap(a, a + a).value()`,
    'text',
  )
  const costly = [
    'items.all(a, items.all(b, items.all(c, a + b + c >= 0)))',
    'items.all(a, text.contains("b") || items == items)',
    'items.distinct().size() == 1',
    'items.map(i, string(i)).distinct().size() == 1',
    'sets.equivalent(items, items)',
    'text.matches("(a?){500}b")',
    'text.findAll("a").size() == 1',
    'text.replace("", text).size() == 1',
    'words.all(w, words.join("").size() > 0)',
    'text.indexOf(text.substring(500000) + "b") == 1',
    'text.contains(text.substring(500000) + "b")',
    'text.split(text.substring(500000) + "b").size() == 1',
    'words.all(w, w in words)',
    'words.indexOf("x") == words.lastIndexOf("y") && words.all(v, words.indexOf(v) >= 0)',
    'lists.range(100000).all(i, lists.range(100000).size() >= i)',
    `${doubled}.size() == 1`,
    'words.all(w, !"x".matches(w + "{1000}"))',
  ]
  for (const source of costly) {
    const found = verdict(source, BIG)
    assert.equal(found.kind, 'error', source)
    assert.match(found.kind === 'error' ? found.message : '', /^cannot tell: /, source)
  }
})

test('what only looks costly is evaluated', () => {
  const long = { spaces: `a${' '.repeat(300_000)}a`, digits: `-${'0'.repeat(300_000)}7` }
  assert.deepEqual(verdict('spaces.trim() == spaces && int(digits) == -7', long), { kind: 'value', value: true })
  assert.deepEqual(verdict("int('9' + digits.substring(1)) == 1", long), { kind: 'error', message: 'integer overflow' })
})

test('an expression that would keep the compiler busy is refused', () => {
  const doubling = Array.from({ length: 100 }, (_, i) => `.map(v${i}, {v${i}: v${i}})`).join('')
  const formats = Array.from({ length: 80 }).reduce<string>((inner) => `"%s".format([${inner}])`, 'kind')
  const refused: Readonly<Record<string, string>> = {
    [`[1]${doubling}.size() == 0`]: 'a type of that size cannot be evaluated here',
    [`${Array.from({ length: 1_500 }, () => '1').join('+')} == 1500`]: 'nested too deeply',
    [`kind.matches("${'a{1000}'.repeat(100)}")`]: 'regular expressions of that size cannot be evaluated here',
  }
  for (const [source, message] of Object.entries(refused))
    assert.deepEqual(compileObjectExpression(source), { kind: 'invalid', message })
  // Formats inside formats are fine, and read once.
  assert.deepEqual(verdict(`${formats} == "Certificate"`, CERTIFICATE), { kind: 'value', value: true })
})

test('an ordinary expression over an ordinary object is far from any bound', () => {
  const conditions = Array.from({ length: 200 }, (_, i) => ({
    type: `T${i}`,
    status: 'True',
    message: 'm'.repeat(300),
  }))
  const source = "status.conditions.all(c, c.status == 'True' && c.message.matches('^m+$') && size(c.message) < 1000)"
  assert.deepEqual(verdict(source, { status: { conditions } }), { kind: 'value', value: true })
})

test('whatever is written, compiling and evaluating end with an answer', () => {
  const piece = fc.constantFrom(
    ...[
      'status',
      '.',
      'a',
      '(',
      ')',
      '[',
      ']',
      '{',
      '}',
      '?',
      ':',
      ',',
      '+',
      '==',
      '&&',
      '!',
      '-',
      '1',
      '"a"',
      'all',
      'map',
    ],
    ...['x', 'has', 'size', '1.5', 'in', '.?', 'optional.of', '.format', '.matches', 'e, e', 'null', 'true'],
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 20 }), (pieces) => {
      const compiled = compileObjectExpression(pieces.join(''))
      if (compiled.kind === 'compiled') compiled.expression.evaluate(subjectOf(CERTIFICATE))
    }),
  )
})

function verdict(source: string, object: JsonObject): Verdict {
  const compiled = compileObjectExpression(source)
  assert.ok(compiled.kind === 'compiled', compiled.kind === 'invalid' ? compiled.message : '')
  return compiled.expression.evaluate(subjectOf(object))
}
