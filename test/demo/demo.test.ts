import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

const demo = join(import.meta.dirname, '..', '..', 'examples', 'demo', 'demo.ts')

function runDemo(args: readonly string[], env: NodeJS.ProcessEnv = process.env) {
  return spawnSync(process.execPath, [demo, ...args], { env, encoding: 'utf8' })
}

test('the demo without Git says that Git is missing and how to go on', (t) => {
  const empty = mkdtempSync(join(tmpdir(), 'waybill-demo-'))
  t.after(() => rmSync(empty, { recursive: true }))
  const { status, stderr } = runDemo([], { ...process.env, PATH: empty })
  assert.equal(status, 1)
  assert.match(stderr, /TOOL_MISSING: .*no git on the PATH\n +Install Git/)
  assert.doesNotMatch(stderr, /\n\s+at /)
})

test('the demo tells what it takes, and refuses what it does not know', () => {
  const help = runDemo(['--help'])
  assert.equal(help.status, 0)
  for (const option of ['--kubeconfig', '--registry', '--plain-http', '--keep']) assert.ok(help.stdout.includes(option))
  assert.equal(runDemo(['--nonsense']).status, 2)
  assert.equal(runDemo(['--plain-http']).status, 2)
})
