import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, beforeEach, test } from 'node:test'
import { parseRepository } from '../../../contract/reference.ts'
import type { Packed } from '../../../packager/pack.ts'
import { openCache } from '../../../puller/source/disk.ts'
import { examine } from '../../../puller/source/examine.ts'
import { cachedSource, fetchEnvironment, fetchRelease } from '../../../puller/source/fetch.ts'
import { verify } from '../../../puller/source/verify.ts'
import { attested, bundlesFor, configMap, MemoryRegistry, newSigningKey, policy, release } from '../release-fixture.ts'

const REPOSITORY = 'registry.example.com/acme/shop'
const key = newSigningKey()
const policies = [policy('registry.example.com', key)]
const repository = parseRepository(REPOSITORY)
const packed = release(REPOSITORY, 'one', [configMap('a', { k: 'v' })])
const root = mkdtempSync(join(tmpdir(), 'waybill-fetch-'))
after(() => rmSync(root, { recursive: true, force: true }))

let registry: MemoryRegistry
let cache: ReturnType<typeof openCache>
beforeEach(() => {
  registry = new MemoryRegistry()
  cache = openCache(mkdtempSync(join(root, 'cache-')))
})

const target = (digest = packed.digest, ranBefore = false) => ({ repository, canonical: REPOSITORY, digest, ranBefore })
const access = (reader: string, ran = false) => ({ reader, ran })
const look = (reader: string, options: { ran?: boolean; of?: Packed; under?: typeof policies } = {}) =>
  examine(
    target(options.of?.digest, options.ran ?? false),
    options.under ?? policies,
    { versions: {} },
    {
      registry,
      cache,
      access: access(reader, options.ran),
    },
  )
const fetchAll = async (reader: string, options: { ran?: boolean } = {}) => {
  const source = cachedSource(registry, cache, access(reader, options.ran))
  return fetchEnvironment(await fetchRelease(await look(reader, options), source), 'production', source)
}

test('the objects of a verified digest are read, and nothing of it before it is verified', async () => {
  registry.put(packed, [])
  await assert.rejects(fetchAll('me'), { code: 'SIGNATURE_MISSING' })
  assert.deepEqual(registry.asked, [`bundles ${packed.digest}`])
  registry.put(packed, bundlesFor(packed, key))
  const { objects } = await fetchAll('me')
  assert.deepEqual(objects, [configMap('a', { k: 'v' })])
})

test('what was fetched once is read again with the registry down', async () => {
  registry.put(packed, bundlesFor(packed, key))
  await fetchAll('me')
  registry.down = true
  const before = registry.asked.length
  assert.equal((await fetchAll('me')).objects.length, 1)
  assert.equal(registry.asked.length, before)
})

test('a delivery may not use what only another one fetched, unless its records show that it ran it', async () => {
  registry.put(packed, bundlesFor(packed, key))
  await fetchAll('me')
  registry.down = true
  await assert.rejects(fetchAll('someone else'), { code: 'REGISTRY_UNREACHABLE' })
  assert.equal((await fetchAll('someone else', { ran: true })).objects.length, 1)
})

test('neither bundles nor content that others fetched are taken from the cache for one who did not', async () => {
  registry.put(packed, bundlesFor(packed, key))
  await fetchAll('me')
  const verified = await look('me')
  registry.down = true
  await assert.rejects(look('someone else'), { code: 'REGISTRY_UNREACHABLE' })
  const source = cachedSource(registry, cache, access('someone else'))
  await assert.rejects(fetchRelease(verified, source), { code: 'REGISTRY_UNREACHABLE' })
})

test('of a package that no policy covers nothing is asked', async () => {
  registry.put(packed, bundlesFor(packed, key))
  await assert.rejects(look('me', { under: [] }), { code: 'POLICY_MISSING' })
  assert.deepEqual(registry.asked, [])
})

test('only what was verified can be fetched at all', () => {
  // @ts-expect-error: verify is the only maker of Verified
  const unverified: Parameters<typeof fetchRelease>[0] = target()
  assert.ok(unverified)
})

test('a key that was revoked is noticed with the registry down, from the bundles that are kept', async () => {
  registry.put(packed, bundlesFor(packed, key))
  await fetchAll('me')
  registry.down = true
  const revoked = [policy('registry.example.com', key, { state: 'revoked' })]
  await assert.rejects(look('me', { under: revoked }), { code: 'SIGNER_REVOKED' })
})

test('a retired key is good for what ran here, and not for what is new', async () => {
  registry.put(packed, bundlesFor(packed, key))
  const retired = [policy('registry.example.com', key, { state: 'retired' })]
  await assert.rejects(look('me', { under: retired }), { code: 'SIGNER_RETIRED' })
  await look('me', { under: retired, ran: true })
})

test('bundles that no longer do are asked for again: a signature that was added later is found', async () => {
  registry.put(packed, bundlesFor(packed, key))
  await look('me')
  const second = newSigningKey()
  const under = [policy('registry.example.com', second)]
  await assert.rejects(look('me', { under }), { code: 'SIGNER_UNTRUSTED' })
  registry.put(packed, bundlesFor(packed, second))
  await look('me', { under })
})

test('a registry that withholds bundles does not spoil those that are kept', async () => {
  registry.put(packed, bundlesFor(packed, key))
  await look('me')
  registry.bundles.clear()
  await assert.rejects(look('me', { under: [policy('registry.example.com', newSigningKey())] }))
  await look('me')
})

test('an artifact of another package under the same key is refused before its layer is read', async () => {
  const foreign = release('registry.example.com/acme/other', 'one', [configMap('a', {})])
  registry.put(foreign, bundlesFor(foreign, key))
  const verified = await look('me', { of: foreign })
  await assert.rejects(fetchRelease(verified, registry), { code: 'PACKAGE_MISMATCH' })
  assert.equal(registry.asked.filter((line) => line.startsWith('blob')).length, 1)
})

test('a mirror is read where the Delivery says whose mirror it is', async () => {
  const bundles = bundlesFor(packed, key)
  registry.put(packed, bundles)
  const mirror = { ...target(), repository: parseRepository('mirror.example.com/copies/shop') }
  const verified = verify(mirror, policies, bundles)
  assert.equal((await fetchRelease(verified, registry)).config.package.repository, REPOSITORY)
})

test('provenance of another commit than the one that was packed is refused', async () => {
  const elsewhere = release(REPOSITORY, 'another commit', [configMap('a', { k: 'v' })])
  const [, provenance] = bundlesFor({ ...packed, release: elsewhere.release }, key)
  if (provenance === undefined) throw new Error('no provenance')
  registry.put(packed, [attested(key, packed.digest, 'signature', {}), provenance])
  await assert.rejects(async () => fetchRelease(await look('me'), registry), { code: 'PROVENANCE_INVALID' })
})

test('an environment that the artifact does not have is refused, and so is one with the name of a property of every object', async () => {
  registry.put(packed, bundlesFor(packed, key))
  const found = await fetchRelease(await look('me'), registry)
  for (const environment of ['staging', '__proto__', 'constructor'])
    await assert.rejects(fetchEnvironment(found, environment, registry), { code: 'ENVIRONMENT_UNKNOWN' })
})
