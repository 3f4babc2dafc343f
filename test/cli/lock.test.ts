import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startFakeRegistry } from '../fakes/registry.ts'
import { filesWith, imageIndex } from '../packager/lock/lock-repository.ts'
import { commitAll, repositoryOf, writeFiles } from '../packager/repository.ts'
import { assertFails, waybillHere } from './command.ts'

test('lock says what it did, as text and as JSON, and --check exits 3 where it would do something', async (t) => {
  const registry = await startFakeRegistry()
  t.after(() => registry.close())
  const digest = registry.putManifest('acme/api', imageIndex('a'), { tag: '1.4' })
  const name = `${registry.host}/acme/api:1.4`
  const repo = repositoryOf(filesWith(name))
  const lock = (...args: readonly string[]) => waybillHere(['lock', '--plain-http', ...args], { cwd: repo })

  assertFails(await waybillHere(['check'], { cwd: repo }), 3, 'CHECK_FAILED')
  assertFails(await lock('--check'), 3, 'LOCK_STALE')
  const first = await lock('--quiet')
  assert.equal(first.stdout, `waybill.lock: 1 image; commit it\n  added ${name} ${digest.slice(0, 19)}\n`)
  assert.equal(first.stderr, '')
  commitAll(repo)
  assert.equal((await waybillHere(['check'], { cwd: repo })).status, 0)
  assert.equal((await lock('--check')).status, 0)

  const moved = registry.putManifest('acme/api', imageIndex('b'), { tag: '1.4' })
  const same = await lock()
  assert.equal(same.stdout, 'waybill.lock: 1 image, as it was\n')
  assert.equal(same.stderr, 'rendering\nrendering again, to compare\n')
  assertFails(await lock('--check', '--update-all'), 3, 'LOCK_STALE')
  assertFails(await lock('--update', 'api'), 2, 'IMAGE_UNKNOWN')
  writeFiles(repo, { 'new.txt': '' })
  const updated = await lock('--update', name, '--output', 'json')
  assert.match(updated.stderr, /^asking what 1 image tag stands for$/m)
  assert.match(updated.stderr, /^note: only the commit was looked at; not committed: new\.txt$/m)
  const { changed, images } = JSON.parse(updated.stdout)
  assert.deepEqual(
    { changed, images },
    { changed: true, images: [{ name, change: 'updated', digest: moved, previous: digest }] },
  )
})
