import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MEDIA } from '../../../contract/artifact/artifact.ts'
import { parseRepository } from '../../../contract/reference.ts'
import { anonymous } from '../../../contract/registry/credentials.ts'
import { createRegistries, type Patience } from '../../../puller/source/registries.ts'
import type { PullAccess } from '../../../puller/source/secrets.ts'
import { startFakeRegistry } from '../../fakes/registry.ts'
import { FakeClock } from '../fake-clock.ts'

const access = (shareKey: string): PullAccess => ({ credentials: anonymous, credentialId: shareKey, shareKey })
const patient = (signal = new AbortController().signal): Patience => ({ outside: (work) => work(), signal })

async function start(t: { after(work: () => Promise<void>): void }) {
  const registry = await startFakeRegistry()
  const registries = createRegistries({ plainHttp: true, idleMs: 600_000 }, new FakeClock())
  t.after(async () => {
    await registries.close()
    await registry.close()
  })
  const digest = registry.putManifest('acme/shop', Buffer.from(`{"mediaType":"${MEDIA.manifest}"}`), { tag: '1.0.0' })
  const repository = parseRepository(`${registry.host}/acme/shop`)
  const asked = async () => {
    while (registry.requests.length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
  }
  return { registry, registries, repository, digest, asked }
}

test('those who follow one repository with one login share its list of tags and what each tag names, others do not', async (t) => {
  const { registry, registries, repository, digest } = await start(t)
  for (const shareKey of ['one', 'one', 'other']) {
    const polls = registries.polls(access(shareKey), patient(), 0)
    assert.deepEqual(await polls.listTags(repository), ['1.0.0'])
    assert.equal(await polls.resolveTag(repository, '1.0.0'), digest)
  }
  assert.deepEqual(registry.requests.length, 4)
  await registries.polls(access('one'), patient(), 1).listTags(repository)
  assert.equal(registry.requests.length, 5, 'and nobody is told what was asked before he began')
})

test('one who gives up leaves the poll to the others, and the last of them ends it', async (t) => {
  const { registry, registries, repository, digest, asked } = await start(t)
  registry.when('HEAD', /./).times(1).stall()
  const stops = [new AbortController(), new AbortController()]
  const waiting = stops.map(({ signal }) =>
    registries.polls(access('one'), patient(signal), 0).resolveTag(repository, '1.0.0'),
  )
  const [first, second] = waiting.map((one) => one.catch((error: unknown) => error))
  await asked()
  stops[0]?.abort()
  assert.equal(Object(await first).code, 'REGISTRY_UNREACHABLE')
  assert.equal(await Promise.race([second, 'still waiting']), 'still waiting')
  stops[1]?.abort()
  assert.equal(Object(await second).code, 'REGISTRY_UNREACHABLE')
  const next = registries.polls(access('one'), patient(), 0).resolveTag(repository, '1.0.0')
  assert.equal(await next, digest, 'who asks then asks anew')
})

test('one who gives up holds no place among the requests to a registry', async (t) => {
  const { registry, registries, repository, digest, asked } = await start(t)
  registry.when('GET', /./).times(16).stall()
  const stop = new AbortController()
  const reader = registries.reader(access('one'), patient(stop.signal))
  const stalled = Array.from({ length: 16 }, () => reader.fetchManifest(repository, digest).catch(() => 'given up'))
  await asked()
  const next = registries.reader(access('one'), patient()).fetchManifest(repository, digest)
  stop.abort()
  assert.deepEqual(new Set(await Promise.all(stalled)), new Set(['given up']))
  assert.ok((await next).length > 0)
})
