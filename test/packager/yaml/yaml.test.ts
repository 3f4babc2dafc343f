import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LIMITS } from '../../../contract/limits.ts'
import { lineAt, readYaml } from '../../../packager/yaml/yaml.ts'
import { readCore, readKubectl } from '../../../packager/yaml/yaml-scalars.ts'

const read = (text: string) => readYaml('a.yaml', Buffer.from(text))
const values = (text: string) => {
  const { documents, faults } = read(text)
  assert.deepEqual(faults, [])
  return documents.map(({ value }) => value)
}
const faultsOf = (text: string) => read(text).faults.map(({ code, line }) => `${line} ${code}`)

test('what both readers take the same is read', () => {
  const text =
    'a: true\nb: 12\nc: 0x1F\nd: 0o17\ne: 1e3\nf: .5\ng: ~\nh:\ni: 2024-01-01\nj: 12:30:45\nk: 1.10\nl: -0\nm: 08\n'
  const expected = {
    a: true,
    b: 12,
    c: 31,
    d: 15,
    e: 1000,
    f: 0.5,
    g: null,
    h: null,
    i: '2024-01-01',
    j: '12:30:45',
    k: 1.1,
    l: 0,
    m: 8,
  }
  assert.deepEqual(values(text), [expected])
})

for (const scalar of [
  'yes',
  'no',
  'on',
  'off',
  'y',
  'n',
  'Y',
  'NO',
  'On',
  '017',
  '0644',
  '-010',
  '0b101',
  '1_000',
  '0x_1',
  '1_0.5',
  '0X1F',
  '1e400',
  '-0o7',
])
  test(`${scalar} without quotes is a fault, and text with them`, () => {
    assert.deepEqual(faultsOf(`a: b\nb: ${scalar}\n`), ['2 YAML_AMBIGUOUS'])
    assert.deepEqual(faultsOf(`b:\n  - ${scalar}\n`), ['2 YAML_AMBIGUOUS'])
    assert.deepEqual(values(`b: "${scalar}"\nc: '${scalar}'\nd: !!str ${scalar}\n`), [
      { b: scalar, c: scalar, d: scalar },
    ])
  })

test('keys that readers take differently are faults', () => {
  assert.deepEqual(faultsOf('a: 1\ny: 2\n'), ['2 YAML_AMBIGUOUS'])
  assert.deepEqual(faultsOf('~: 1\n'), ['1 YAML_AMBIGUOUS'])
  assert.deepEqual(faultsOf('1.50: 1\n'), ['1 YAML_AMBIGUOUS'])
  assert.deepEqual(values('1: a\n"y": b\ntrue: c\n'), [{ '1': 'a', y: 'b', true: 'c' }])
})

test('integers that JSON readers round are faults, each with its line', () => {
  assert.deepEqual(
    faultsOf('a: 9007199254740991\nb: 9007199254740992\nc: [-9007199254740993]\nd: 0xFFFFFFFFFFFFFFFF\n'),
    ['2 INTEGER_UNSAFE', '3 INTEGER_UNSAFE', '4 INTEGER_UNSAFE'],
  )
})

test('a key that stands twice, infinity, and what is no YAML are faults', () => {
  assert.deepEqual(faultsOf('a: 1\nb:\n  c: 1\n  c: 2\n'), ['4 YAML_DUPLICATE_KEY'])
  assert.deepEqual(faultsOf('a: .inf\nb: .nan\n'), ['1 YAML_INVALID', '2 YAML_INVALID'])
  assert.equal(faultsOf('a: [1\nb: 2\n').length > 0, true)
  assert.equal(faultsOf('a:\n\tb: 1\n').length > 0, true)
  assert.deepEqual(
    readYaml('a.yaml', Buffer.from([0x61, 0xff])).faults.map(({ code }) => code),
    ['YAML_INVALID'],
  )
})

test('a message never repeats what stands in the file', () => {
  for (const text of [
    'password: "hunter2" x\n',
    'password: 0123456\n',
    'a: !secret hunter2\n',
    'a: *hunter2\n',
    'hunter2: 1\nhunter2: 2\n',
  ])
    for (const { message } of read(text).faults) assert.doesNotMatch(message, /hunter2|0123456/)
})

test('several documents are read, and empty ones are left out', () => {
  assert.deepEqual(values('# nothing\n---\na: 1\n---\n# nothing\n---\n---\nb: 2\n'), [{ a: 1 }, { b: 2 }])
  assert.deepEqual(values(''), [])
})

test('what kubectl would lose is a fault', () => {
  assert.deepEqual(faultsOf('a: 1\n--- {b: 2}\n'), ['2 YAML_AMBIGUOUS'])
  assert.deepEqual(faultsOf('a: 1\n...\nb: 2\n'), ['3 YAML_AMBIGUOUS'])
  assert.deepEqual(faultsOf('%YAML 1.1\n---\na: 1\n'), ['1 YAML_AMBIGUOUS'])
  assert.deepEqual(faultsOf('a: "x\u2028y"\n'), ['1 YAML_AMBIGUOUS'])
  assert.deepEqual(values('a: 1\n...\n---\nb: 2\n--- # done\n'), [{ a: 1 }, { b: 2 }])
})

test('line ends of Windows, a byte order mark and a missing last line end change nothing', () => {
  assert.deepEqual(values('\ufeffa: |\r\n  x\r\n  y\r\nb: 1'), [{ a: 'x\ny\n', b: 1 }])
  assert.deepEqual(values('a: |\n  x'), [{ a: 'x\n' }])
})

test('aliases and merge keys are expanded as kubectl does', () => {
  assert.deepEqual(values('a: &x {p: 1, q: 2}\nb: *x\nc: {<<: *x, q: 3}\nd: {<<: [{p: 4}, *x], r: 5}\n'), [
    { a: { p: 1, q: 2 }, b: { p: 1, q: 2 }, c: { p: 1, q: 3 }, d: { p: 4, q: 2, r: 5 } },
  ])
  assert.deepEqual(faultsOf('a: &x {q: 2}\nb: {q: 3, <<: *x}\n'), ['2 YAML_AMBIGUOUS'])
})

test('aliases that multiply, and those that hold themselves, are refused', () => {
  const laughs = [
    'a: &a [1,1,1,1,1,1,1,1,1,1]',
    ...'bcdefgh'.split('').map((name, i) => `${name}: &${name} [${Array(10).fill(`*${'abcdefgh'[i]}`).join(',')}]`),
  ]
  assert.deepEqual(
    faultsOf(`${laughs.join('\n')}\n`).map((fault) => fault.split(' ')[1]),
    ['LIMIT_EXCEEDED'],
  )
  assert.deepEqual(faultsOf('a: &x [*x]\n'), ['1 YAML_INVALID'])
})

test('nesting without end is refused, and does not end the process', () => {
  for (const text of ['['.repeat(200_000), '- '.repeat(200_000), '{a: '.repeat(100_000), `${'? '.repeat(50_000)}x`])
    assert.deepEqual(
      faultsOf(text).map((fault) => fault.split(' ')[1]),
      ['LIMIT_EXCEEDED'],
    )
  const deep = (levels: number) => `a: ${'['.repeat(levels)}1${']'.repeat(levels)}\n`
  assert.deepEqual(faultsOf(deep(LIMITS.jsonDepthMax - 2)), [])
  assert.equal(faultsOf(deep(LIMITS.jsonDepthMax + 1)).length, 1)
})

test('kustomize makes a time of a date without quotes, so its sources must have them', () => {
  const faults = readYaml('a.yaml', Buffer.from('a: 2024-01-01\nb: "2024-01-01"\n'), 'kustomize').faults
  assert.deepEqual(
    faults.map(({ line, code }) => `${line} ${code}`),
    ['1 YAML_AMBIGUOUS'],
  )
})

test('the line of any field is known, and of the nearest around what is not there', () => {
  const { documents, faults } = read('a: 1\nb:\n  "2": x\n  c:\n    - d\n    - e: 5\n      f: 6\n  1: z\n')
  const [document] = documents
  assert.deepEqual(faults, [])
  assert.ok(document)
  const lines = [['a'], ['b', '2'], ['b', 'c', 0], ['b', 'c', 1, 'f'], ['b', '1'], ['b', 'nope', 'x']].map((path) =>
    lineAt(document, path),
  )
  assert.deepEqual(lines, [1, 3, 5, 7, 8, 2])
})

test('a key named __proto__ is a key like any other', () => {
  const [value] = values('__proto__: {a: 1}\n')
  assert.deepEqual(Object.keys(value ?? {}), ['__proto__'])
})

test('the two readings of a scalar are told apart', () => {
  assert.deepEqual([readCore('017'), readKubectl('017')], [17, 15])
  assert.deepEqual([readCore('yes'), readKubectl('yes')], ['yes', true])
  assert.deepEqual(
    [readCore('18446744073709551616'), readKubectl('18446744073709551616')],
    [18446744073709551616n, 18446744073709552000],
  )
})
