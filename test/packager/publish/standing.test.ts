import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRegistryReader } from '../../../contract/registry/registry-client.ts'
import { publish } from '../../../packager/publish/publish.ts'
import { sameInChannel } from '../../../packager/publish/standing.ts'
import { httpWriter } from '../../fakes/http-writer.ts'
import { makeKey } from '../../fakes/keys.ts'
import { type FakeRegistry, startFakeRegistry } from '../../fakes/registry.ts'
import { makeRelease } from '../../fakes/release.ts'
import { fails, type OpenPlace, settle } from './publish-suite.ts'

let registry: FakeRegistry
const open: OpenPlace = async (t) => {
  registry = await startFakeRegistry()
  const reader = createRegistryReader({ plainHttp: true, requestMs: 2000 })
  const { host, close } = registry
  t.after(async () => {
    await reader.close()
    await close()
  })
  return { host, reader, writer: httpWriter() }
}
const channel = 'staging'

test('a channel that names the same objects, of whatever commit, is told', async (t) => {
  const { release, options, reader, key } = await settle(t, open)
  const one = release('one')
  await publish(one, options({ channel }))
  const later = { ...one.release, source: { ...one.release.source, revision: `sha1:${'9'.repeat(40)}` } }
  const found = await sameInChannel(later, { channel, reader, key })
  assert.deepEqual([found?.digest, found?.release.source.revision], [one.digest, one.release.source.revision])
})

test('other objects, another environment, another package and a channel that is not there are not the same', async (t) => {
  const { release, options, reader, key, repository } = await settle(t, open)
  const one = release('one')
  assert.equal(await sameInChannel(one.release, { channel, reader, key }), undefined)
  await publish(one, options({ channel }))
  const { production } = one.release.environments
  assert.ok(production !== undefined)
  for (const other of [
    makeRelease(repository.repository, 'two').release,
    { ...one.release, environments: { production, staging: production } },
    { ...one.release, environments: {} },
    { ...one.release, package: { ...one.release.package, name: 'other' } },
  ])
    assert.equal(await sameInChannel(other, { channel, reader, key }), undefined)
  assert.equal(await sameInChannel(one.release, { channel: 'production', reader, key }), undefined)
})

test('what another key signed, or nobody promoted there, is no reason to publish nothing', async (t) => {
  const { release, options, reader, key, writer, repository } = await settle(t, open)
  const one = release('one')
  await publish(one, options({ channel, key: makeKey() }))
  assert.equal(await sameInChannel(one.release, { channel, reader, key }), undefined)
  await publish(one, options())
  assert.equal(await sameInChannel(one.release, { channel, reader, key }), undefined)
  await writer.tag(repository, one.digest, 'by-hand')
  assert.equal(await sameInChannel(one.release, { channel: 'by-hand', reader, key }), undefined)
})

test('a registry that does not answer is an error, not a reason to publish or not to', async (t) => {
  const { release, options, reader, key } = await settle(t, open)
  const one = release('one')
  await publish(one, options({ channel }))
  registry.when('HEAD', /manifests/).status(503)
  registry.when('GET', /manifests/).status(503)
  await fails(sameInChannel(one.release, { channel, reader, key }), 'REGISTRY_FAILED')
})
