import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { Ajv } from 'ajv'
import { errorText } from '../../../cli/output.ts'
import { findingsOf } from '../../../cli/report/findings.ts'
import { printReport, type ReportForm } from '../../../cli/report/report.ts'
import { ERRORS, type Fault, WaybillError } from '../../../contract/errors.ts'

const fault = (fields: Partial<Fault> = {}): Fault => ({
  code: 'IMAGE_UNPINNED',
  message: 'image "nginx" has no digest',
  file: 'deploy/api.yaml',
  line: 12,
  object: 'Deployment.apps shop/api',
  environment: 'production',
  ...fields,
})
const failed = (...faults: readonly Fault[]) => new WaybillError('CHECK_FAILED', 'faults', { faults })
const report = (form: ReportForm, ...faults: readonly Fault[]) =>
  printReport(form, findingsOf(failed(...faults)), '1.2.3')

test('GitHub gets a workflow command for each fault, with its place, its code and what to do, and a total', () => {
  assert.deepEqual(report('github', fault()).split('\n'), [
    `::error file=deploy/api.yaml,line=12,title=IMAGE_UNPINNED::Deployment.apps shop/api (production): image "nginx" has no digest%0A${ERRORS.IMAGE_UNPINNED.hint}`,
    '::notice title=waybill check::1 fault and 0 warnings',
  ])
  const warned = findingsOf(undefined, [fault({ message: 'old' })])
  assert.match(
    printReport('github', warned, '1'),
    /^::warning file=deploy\/api\.yaml,line=12,.*\n::notice .*::0 faults and 1 warning$/,
  )
})

test('more than GitHub shows are told to be in the log', () => {
  const many = (count: number) =>
    report('github', ...Array.from({ length: count }, (_, line) => fault({ line: line + 1 })))
  assert.match(many(11), /\n::notice .*::11 faults and 0 warnings; GitHub shows 10 of each here, the log has them all$/)
  assert.doesNotMatch(many(10), /GitHub shows/)
})

const hostile = [
  'a%0Ab',
  'x\n::stop-commands::t',
  'x\r::add-mask::y',
  'a,line=1::b',
  '##[add-path]/evil',
  '\u001b[2J\u202e',
]

test('nothing in a fault ends its workflow command, or begins another', () => {
  for (const text of hostile) {
    const lines = report('github', fault({ message: text, file: `deploy/${text}.yaml`, object: text })).split(/\r|\n/)
    assert.equal(lines.length, 2, text)
    const [properties, message] = lines[0]?.slice('::error '.length).split('::') ?? []
    assert.match(properties ?? '', /^file=[^:,\r\n]+,line=12,title=IMAGE_UNPINNED$/)
    assert.ok(message !== undefined)
    assert.doesNotMatch(lines.join('\n'), /##\[|[^\P{Cc}\n\t]|\p{Cf}/u)
    if (text.includes('%')) assert.match(message, /a%250Ab/)
  }
})

test('nor does one that is told as text', () => {
  for (const text of hostile) {
    const told = errorText(failed(fault({ message: text, file: `::stop-commands::${text}` })))
    assert.doesNotMatch(told, /^\s*::|##\[|[^\P{Cc}\n\t]|\p{Cf}/mu)
  }
})

test('GitLab gets a code quality report: path, line, severity, and a fingerprint that is no other’s', () => {
  const entries = JSON.parse(report('gitlab', fault(), fault({ line: 30 }), fault({ code: 'SECRET_VALUE' })))
  assert.deepEqual(entries[0].location, { path: 'deploy/api.yaml', lines: { begin: 12 } })
  assert.deepEqual([entries[0].check_name, entries[0].severity], ['IMAGE_UNPINNED', 'blocker'])
  assert.match(entries[0].description, /no digest/)
  assert.equal(new Set(entries.map(({ fingerprint }: { fingerprint: string }) => fingerprint)).size, 3)
  assert.equal(printReport('gitlab', findingsOf(undefined, []), '1'), '[]')
})

test('reports say what is wrong, with an end of its own where it has one, and what to do', () => {
  for (const form of ['gitlab', 'sarif'] as const) {
    const told = (message: string) => report(form, fault({ message, hint: 'Do this.' }))
    assert.match(told('unknown field'), /: unknown field\. Do this\."/)
    assert.match(told('did you mean replicas?'), /: did you mean replicas\? Do this\."/)
  }
})

test('a fault keeps its fingerprint when lines move, so that a merge request shows new ones alone', () => {
  const print = (faults: readonly Fault[]) => findingsOf(failed(...faults)).map(({ fingerprint }) => fingerprint)
  const duplicate = (line: number) => fault({ code: 'OBJECT_DUPLICATE', message: `also in deploy/b.yaml:${line}` })
  assert.deepEqual(print([fault(), duplicate(3)]), print([fault({ line: 40 }), duplicate(31)]))
  assert.notDeepEqual(print([fault()]), print([fault({ object: 'Deployment.apps shop/web' })]))
})

test('what is wrong in several environments is told once, with all of them', () => {
  const found = findingsOf(failed(fault(), fault({ environment: 'staging' }), fault({ line: 13 })))
  assert.deepEqual(
    found.map(({ line, environments }) => [line, environments]),
    [
      [12, ['production', 'staging']],
      [13, ['production']],
    ],
  )
})

test('an error without a place is told at waybill.yaml', () => {
  const [found] = findingsOf(new WaybillError('GIT_REVISION', 'no commit is named "x" there'))
  assert.deepEqual([found?.file, found?.line, found?.code], ['waybill.yaml', 1, 'GIT_REVISION'])
})

test('in a monorepo, what has no place is told at the package’s own waybill.yaml', () => {
  const error = new WaybillError('CHECK_FAILED', 'two faults', { faults: [fault({ file: 'packages/api/a.yaml' })] })
  const place = 'packages/api/waybill.yaml'
  const found = findingsOf(error, [{ code: 'KUBERNETES_UNPINNED', message: 'none is pinned' }], place)
  assert.deepEqual(
    found.map(({ file }) => file),
    ['packages/api/a.yaml', place],
  )
})

// The schema as the npm package @microsoft/jest-sarif 1.0.0-beta.0 has it (MIT): OASIS' own, in JSON schema draft 4.
const {
  $schema: _draft,
  id: _id,
  ...schema
} = JSON.parse(gunzipSync(readFileSync(join(import.meta.dirname, 'sarif-2.1.0-rtm.5.json.gz'))).toString('utf8'))
const validate = new Ajv({ strict: false, validateFormats: false, unicodeRegExp: false }).compile(schema)
const isSarif = (log: unknown): boolean => validate(log)

test('SARIF is valid against the schema of 2.1.0, with a rule for each code, its hint and a link', () => {
  for (const faults of [
    [],
    [fault()],
    [fault(), fault({ code: 'SECRET_VALUE', file: 'a b/ü%.yaml' })],
    hostile.map((message) => fault({ message })),
  ]) {
    const log = JSON.parse(printReport('sarif', findingsOf(undefined, faults), '1.2.3'))
    assert.ok(isSarif(log), JSON.stringify(validate.errors))
    const [{ results, tool }] = log.runs
    assert.equal(results.length, faults.length)
    for (const { ruleId, ruleIndex } of results) assert.equal(tool.driver.rules[ruleIndex].id, ruleId)
  }
  const log = JSON.parse(report('sarif', fault({ code: 'SECRET_VALUE', file: 'a b/ü%.yaml' })))
  const [{ results, tool }] = log.runs
  assert.deepEqual(tool.driver.rules[0].help, { text: ERRORS.SECRET_VALUE.hint })
  assert.equal(new URL(tool.driver.rules[0].helpUri).hash, '#secret_value')
  assert.deepEqual(results[0].locations[0].physicalLocation, {
    artifactLocation: { uri: 'a%20b/%C3%BC%25.yaml' },
    region: { startLine: 12 },
  })
  assert.equal(results[0].level, 'error')
  assert.equal(isSarif({ ...log, version: '2.0.0' }), false)
})

test('a file name that is no proper text is told in SARIF all the same', () => {
  const log: unknown = JSON.parse(report('sarif', fault({ file: 'a\ud800/b c.yaml' })))
  assert.ok(JSON.stringify(log).includes('"uri":"a%EF%BF%BD/b%20c.yaml"'))
})
