import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

const main = join(import.meta.dirname, '..', '..', '..', 'tools', 'image', 'main.ts')
const image = (...args: readonly string[]) => spawnSync(process.execPath, [main, ...args], { encoding: 'utf8' })

test('what npm run image cannot do is said in words, with what to do instead, and nothing is built', () => {
  const cases: readonly (readonly [readonly string[], number, RegExp])[] = [
    [
      ['--key', join(tmpdir(), 'no-such.key')],
      2,
      /^error FILE_UNREADABLE: .*no-such\.key: there is no such file\nhint: /,
    ],
    [['--key', main], 2, /^error KEY_INVALID: /],
    [['one', 'two'], 2, /^error USAGE: .*one and two\nhint: .*--help/],
    [['--source', 'here'], 2, /^error USAGE: --source is not a URL/],
    [['--sing'], 2, /^error USAGE: .*--sing/],
  ]
  for (const [args, status, words] of cases) {
    const answer = image(...args)
    assert.deepEqual([answer.status, answer.stdout], [status, ''], args.join(' '))
    assert.match(answer.stderr, words)
    assert.doesNotMatch(answer.stderr, /^\s+at /m)
  }
  assert.match(image('--help').stdout, /--key FILE/)
})
