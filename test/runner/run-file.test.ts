import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type FileResult, runFile } from './run-file.ts'

function runText(t: TestContext, text: string, waitMs = 30_000): Promise<FileResult> {
  const directory = mkdtempSync(join(tmpdir(), 'waybill-runner-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  const file = join(directory, 'some.test.mjs')
  writeFileSync(file, `import { test, suite } from 'node:test'\n${text}`)
  const { NODE_TEST_CONTEXT, ...env } = process.env
  return runFile({ file, env, waitMs })
}

const outcomes = (result: FileResult) => result.lines.map(({ name, outcome }) => `${name}: ${outcome}`)

test('passed, failed and skipped tests are counted one by one, also inside suites and other tests', async (t) => {
  const result = await runText(
    t,
    `suite('a', () => { test('b', () => {}); test('c', () => { throw new Error('no') }); test.skip('d', () => {}) })
     test('e', async (t) => { await t.test('f', () => { throw new Error('neither') }) })`,
  )
  assert.deepEqual(outcomes(result), ['a › b: passed', 'a › c: failed', 'a › d: skipped', 'e › f: failed'])
  assert.match(result.lines[1]?.error ?? '', /Error: no/)
})

test('a file that crashes has failed, although no test of it did', async (t) => {
  const result = await runText(t, `test('fine', () => {}); setTimeout(() => process.exit(7), 300)`)
  assert.equal(result.lines.at(-1)?.outcome, 'failed')
  assert.match(result.lines.at(-1)?.error ?? '', /exit status 7/)
})

test('a file that does not parse has failed', async (t) => {
  assert.equal((await runText(t, 'this is not JavaScript')).lines.at(-1)?.outcome, 'failed')
})

test('a file that never ends is ended and has failed', async (t) => {
  const result = await runText(t, `test('fine', () => {}); setInterval(() => {}, 1000)`, 1_500)
  assert.match(result.lines.at(-1)?.error ?? '', /took longer than 1\.5 s/)
})

test('a file without a test has failed', async (t) => {
  assert.deepEqual(outcomes(await runText(t, '')), ['the whole file: failed'])
})

test('what a file started and left running is ended with it', async (t) => {
  const result = await runText(
    t,
    `import { spawn } from 'node:child_process'
     test('starts', () => { const c = spawn('sleep', ['300'], { stdio: 'ignore' }); c.unref(); console.log('pid ' + c.pid) })`,
  )
  const pid = Number(/pid (\d+)/.exec(result.output)?.[1])
  await new Promise((resolve) => setTimeout(resolve, 200))
  // Gone, or dead and not yet reaped by whoever inherited it.
  const { stdout } = spawnSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' })
  assert.match(stdout.trim(), /^(Z.*)?$/)
})
