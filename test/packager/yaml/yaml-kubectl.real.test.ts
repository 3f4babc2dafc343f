import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { readYaml } from '../../../packager/yaml/yaml.ts'
import { readKubectl } from '../../../packager/yaml/yaml-scalars.ts'
import { ensureTools } from '../../../tools/build.ts'
import { tempFolder } from '../repository.ts'

const { kubectl } = await ensureTools(['kubectl'])
const folder = tempFolder()

/** What the real kubectl makes of a file, without a cluster. */
function kubectlReads(text: string): Record<string, unknown> {
  const file = join(folder, 'input.yaml')
  writeFileSync(file, text)
  const args = ['label', '--local', '-o', 'json', '-f', file, 'a=b']
  const env = { PATH: '/usr/bin:/bin', HOME: folder, KUBECONFIG: '/dev/null' }
  return JSON.parse(execFileSync(kubectl, args, { env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }))
}

const HEAD = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n'

function assertSameScalars(scalars: readonly string[]): void {
  const found = kubectlReads(`${HEAD}values:\n${scalars.map((scalar) => `  - ${scalar}\n`).join('')}`).values
  assert.ok(Array.isArray(found))
  scalars.forEach((scalar, i) => {
    const read = readKubectl(scalar)
    const ours = read === 0 ? 0 : read
    assert.deepEqual(
      [scalar, typeof ours === 'bigint' ? Number(ours) : ours],
      [scalar, Object.is(found[i], -0) ? 0 : found[i]],
    )
  })
}

test('every scalar that people stumble over is read as the real kubectl reads it', () => {
  const words = [
    'y',
    'Y',
    'yes',
    'Yes',
    'YES',
    'yEs',
    'n',
    'N',
    'no',
    'No',
    'NO',
    'on',
    'On',
    'ON',
    'off',
    'Off',
    'OFF',
  ]
  const others = [
    'true',
    'True',
    'TRUE',
    'tRue',
    'false',
    'null',
    'Null',
    'NULL',
    '~',
    'nil',
    'None',
    'inf',
    'nan',
    'NaN',
  ]
  const octal = ['017', '0644', '-017', '+017', '08', '09.5', '00', '0o17', '-0o17', '0O17', '007_7']
  const numbers = [
    '1_000',
    '1__0',
    '1_',
    '_1',
    '0x1F',
    '0X1f',
    '-0x1F',
    '0x_1',
    '0b11',
    '0B11',
    '-0b11',
    '0b2',
    '0x',
    '0b',
    '+1',
    '-1',
    '--1',
    '+',
    '1-2',
  ]
  const floats = [
    '.5',
    '+.5',
    '-.5',
    '5.',
    '1e3',
    '1E3',
    '1.e3',
    '1e+3',
    '1e-3',
    '1e400',
    '-1e400',
    '1_0.5',
    '.5_0',
    '0x1p4',
    '1.2.3',
    '.',
    '..',
    '.e3',
    '1e',
  ]
  const times = [
    '2024-01-01',
    '2024-1-1',
    '2024-01-01T00:00:00Z',
    '2024-01-01 00:00:00',
    '12:30:45',
    '1:2',
    '190:20:30',
    '1.5:2',
  ]
  const large = [
    '9007199254740993',
    '9223372036854775807',
    '9223372036854775808',
    '18446744073709551615',
    '18446744073709551616',
    '-9223372036854775808',
    '-9223372036854775809',
    '0x8000000000000000',
    '0xFFFFFFFFFFFFFFFFF',
  ]
  assertSameScalars([...words, ...others, ...octal, ...numbers, ...floats, ...times, ...large])
})

test('whatever looks like a number is read as the real kubectl reads it', () => {
  const scalar = fc
    .string({ unit: fc.constantFrom(...'0123456789_.eExXoObB+-aF'), minLength: 1, maxLength: 8 })
    .filter((text) => !/^[-.]+$/.test(text) && !text.endsWith('-'))
  assertSameScalars(fc.sample(scalar, { numRuns: 5000, seed: 7 }))
})

const DOCUMENTS = {
  'merge keys': 'a: &x {p: 1, q: {r: 2}}\nb: {<<: *x, p: 3}\nc: {<<: [{p: 4}, *x]}\n',
  'block scalars': 'a: |\n  x\n  y\n\nb: >-\n  x\n  y\n\n  z\nc: |+\n  x\n\nd: |2\n    x\n',
  'a last line without an end': 'a: |\n  x',
  'line ends of Windows': 'a: |\r\n  x\r\n  y\r\nb: "x\r\n  y"\r\n',
  'plain text over lines': 'a: x\n  y\n\n  z\nb: [x\n  y, z]\n',
  'quoted text over lines': 'a: "x\\\n  y\n  z"\nb: \'x\n\n  y\'\n',
  escapes: 'a: "\\u00e9\\x41\\t\\U0001F600\\L\\P\\N\\_\\e"\n',
  keys: '1: a\n0x10: b\ntrue: c\n"y": d\n? e\n: f\n',
  comments: 'a: b#c\nd: e # f\n# g\nh: "#i"\n',
  'explicit text': 'a: !!str 12\nb: !!str yes\n',
}

for (const [what, text] of Object.entries(DOCUMENTS))
  test(`${what}: read as the real kubectl reads it, or refused`, () => {
    const { documents, faults } = readYaml('a.yaml', Buffer.from(`${HEAD}x:\n${text.replace(/^(?=.)/gm, ' ')}`))
    const ours = documents[0]?.value
    const theirs = kubectlReads(`${HEAD}x:\n${text.replace(/^(?=.)/gm, ' ')}`)
    if (faults.length > 0)
      assert.match(faults.map(({ code }) => code).join(' '), /^YAML_AMBIGUOUS(?: YAML_AMBIGUOUS)*$/)
    else assert.deepEqual(ours, { ...theirs, metadata: { name: 'a' } })
  })
