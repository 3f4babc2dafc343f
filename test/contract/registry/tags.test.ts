import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { MEDIA } from '../../../contract/artifact/artifact.ts'
import { LIMITS } from '../../../contract/limits.ts'
import { parseRepository } from '../../../contract/reference.ts'
import { createRegistryReader } from '../../../contract/registry/registry-client.ts'
import { type FakeRegistry, type FakeRegistryOptions, startFakeRegistry } from '../../fakes/registry.ts'

const open: (() => Promise<void>)[] = []
after(async () => {
  for (const close of open) await close()
})

async function start(options: FakeRegistryOptions = {}) {
  const registry = await startFakeRegistry(options)
  const reader = createRegistryReader({ plainHttp: true })
  open.push(registry.close, reader.close)
  return { registry, reader }
}

const shop = (registry: FakeRegistry) => parseRepository(`${registry.host}/acme/shop`)
const manifest = Buffer.from(`{"schemaVersion":2,"mediaType":"${MEDIA.manifest}"}`)
const list = /tags\/list/
const says = (value: unknown) => JSON.stringify(value)

test('tags are listed over all pages, also behind a page that has none', async () => {
  const { registry, reader } = await start({ pageSize: 2 })
  for (const tag of ['1.0.0', '1.1.0', '2.0.0', 'production', 'staging'])
    registry.putManifest('acme/shop', manifest, { tag })
  const all = ['1.0.0', '1.1.0', '2.0.0', 'production', 'staging']
  assert.deepEqual(await reader.listTags(shop(registry)), all)
  assert.equal(registry.requests.length, 3)
  registry
    .when('GET', list)
    .times(1)
    .lie(says({ tags: null }))
  assert.deepEqual(await reader.listTags(shop(registry)), all.slice(2))
})

test('a repository that is not there, and an answer that is no list, are told apart from one without tags', async () => {
  const { registry, reader } = await start()
  await assert.rejects(reader.listTags(shop(registry)), { code: 'REGISTRY_NOT_FOUND' })
  registry.putManifest('acme/shop', manifest)
  assert.deepEqual(await reader.listTags(shop(registry)), [])
  for (const answer of ['no JSON', '[]', says({ tags: [1] }), says({ tags: 'all' })]) {
    registry.when('GET', list).lie(answer)
    await assert.rejects(reader.listTags(shop(registry)), { code: 'REGISTRY_ANSWER_INVALID' }, answer)
  }
})

test('a list of tags without end is refused, whether its pages are full or empty, and so is one that leads elsewhere', async () => {
  const { registry, reader } = await start()
  registry.putManifest('acme/shop', manifest, { tag: '1.0.0' })
  const again = { link: '</v2/acme/shop/tags/list?n=1000&last=x>; rel="next"' }
  registry.when('GET', list).headers(again)
  await assert.rejects(reader.listTags(shop(registry)), { code: 'LIMIT_EXCEEDED', message: /pages/ })
  assert.equal(registry.requests.length, LIMITS.tagPagesMax)
  registry.behave()
  registry.when('GET', list).lie(says({ tags: Array.from({ length: 500_000 }, () => 't') }))
  await assert.rejects(reader.listTags(shop(registry)), { code: 'LIMIT_EXCEEDED', message: /50000 tags/ })
  registry.behave()
  registry.when('GET', list).headers({ link: '<http://elsewhere.example.com/v2/x>; rel="next"' })
  await assert.rejects(reader.listTags(shop(registry)), { code: 'REGISTRY_REDIRECT' })
  registry.when('GET', list).flood()
  await assert.rejects(reader.listTags(shop(registry)), { code: 'LIMIT_EXCEEDED' })
})

test('what nobody waits for any more is given up at once, before an answer and in the middle of one', async () => {
  const { registry, reader } = await start()
  const digest = registry.putManifest('acme/shop', manifest, { tag: 'production' })
  for (const stall of ['stall', 'stallHalfway'] as const) {
    registry.when('GET', /manifests/)[stall]()
    const stop = new AbortController()
    const before = registry.requests.length
    const asked = reader.until(stop.signal).fetchManifest(shop(registry), digest)
    while (registry.requests.length === before) await new Promise((resolve) => setTimeout(resolve, 5))
    stop.abort()
    await assert.rejects(asked, { code: 'REGISTRY_UNREACHABLE' })
    registry.behave()
    assert.deepEqual(
      Buffer.from(await reader.fetchManifest(shop(registry), digest)),
      manifest,
      'others are not held up',
    )
  }
})
