import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hasCode } from '../../contract/errors.ts'
import { cleanEnvironment, runProcess } from '../../packager/process.ts'

const env = { PATH: process.env.PATH }
const node = process.execPath

test('a child process gets its input and gives its output and status', async () => {
  const script = "process.stdin.pipe(process.stdout); console.error('noise'); process.exitCode = 3"
  const result = await runProcess({ command: node, args: ['-e', script], env, stdin: 'hello' })
  assert.deepEqual([Buffer.from(result.stdout).toString(), result.stderr, result.code], ['hello', 'noise\n', 3])
})

test('a program that is not there is named as missing', async () => {
  await assert.rejects(runProcess({ command: 'no-such-program', args: [], env }), (error) =>
    hasCode(error, 'TOOL_MISSING'),
  )
})

test('a child that prints without end is stopped', async () => {
  const script = "setInterval(() => process.stdout.write('x'.repeat(1000)), 1)"
  await assert.rejects(runProcess({ command: node, args: ['-e', script], env, outputBytesMax: 5000 }), (error) =>
    hasCode(error, 'LIMIT_EXCEEDED'),
  )
})

test('a child that never ends is stopped', async () => {
  await assert.rejects(
    runProcess({ command: node, args: ['-e', 'setInterval(() => {}, 1000)'], env, timeoutMs: 200 }),
    (error) => hasCode(error, 'TIMED_OUT'),
  )
})

test('a child that closes its input early does not bring us down', async () => {
  const result = await runProcess({ command: node, args: ['-e', ''], env, stdin: 'x'.repeat(1_000_000) })
  assert.equal(result.code, 0)
})

test('a clean environment holds nothing of the user but the path', () => {
  const clean = cleanEnvironment(
    { PATH: '/bin', HOME: '/home/me', LANG: 'de_DE', TOKEN: 'secret', CA: 'x' },
    '/tmp/h',
    ['CA'],
  )
  assert.deepEqual(clean, { CA: 'x', PATH: '/bin', HOME: '/tmp/h', XDG_CONFIG_HOME: '/tmp/h', LC_ALL: 'C', TZ: 'UTC' })
})
