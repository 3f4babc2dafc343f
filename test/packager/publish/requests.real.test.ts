import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { MEDIA } from '../../../contract/artifact/artifact.ts'
import { parseRepository } from '../../../contract/reference.ts'
import { createRegistryReader } from '../../../contract/registry/registry-client.ts'
import { wait } from '../../../packager/clock.ts'
import { createOras } from '../../../packager/publish/oras.ts'
import { publish } from '../../../packager/publish/publish.ts'
import { createUploader } from '../../../packager/publish/upload.ts'
import { ensureTools } from '../../../tools/build.ts'
import { makeKey } from '../../fakes/keys.ts'
import { startFakeRegistry } from '../../fakes/registry.ts'
import { makeRelease } from '../../fakes/release.ts'

const { oras } = await ensureTools(['oras'])
const now = new Date('2026-11-21T10:00:00Z')

for (const [referrersApi, mounts] of [
  [true, true],
  [false, true],
  [false, false],
] as const)
  test(`publishing uploads nothing twice, and asks little, ${referrersApi ? 'with' : 'without'} the referrers API, where blobs are ${mounts ? '' : 'not '}mounted`, async (t) => {
    const registry = await startFakeRegistry({ referrersApi, mounts })
    const home = mkdtempSync(join(tmpdir(), 'waybill-requests-'))
    const reader = createRegistryReader({ plainHttp: true, remember: true })
    t.after(async () => {
      await reader.close()
      await registry.close()
      rmSync(home, { recursive: true })
    })
    const byOras = createOras({ program: oras, env: { HOME: home, PATH: process.env.PATH }, plainHttp: true })
    const writer = createUploader({ session: reader.session, oras: byOras, wait })
    const packed = makeRelease(`${registry.host}/acme/shop`)
    const options = { reader, writer, key: makeKey(), now, build: { builderId: 'https://ci.example.com' } }
    await publish(packed, { ...options, version: '1.0.0', channel: 'production' })
    const sent = (method: string, path: RegExp) =>
      registry.requests.filter((request) => new RegExp(`^${method} `).test(request) && path.test(request))
    const uploaded = () => sent('PUT', /blobs/).map((request) => /sha256(?::|%3A)\w+/.exec(request)?.[0])

    // The config, the layer, the empty config, and four statements.
    assert.equal(uploaded().length, 7)
    assert.equal(new Set(uploaded()).size, 7)
    // Begun, ended, and read back.
    assert.equal(sent('POST', /blobs/).length, 7)
    assert.ok(sent('(?:POST|PUT|GET|HEAD)', /blobs/).length <= 3 * 7)

    const manifests = sent('PUT', /manifests\/sha256:/)
    assert.equal(manifests.length, 5)
    assert.equal(new Set(manifests).size, 5)
    const lists = sent('PUT', /manifests\/sha256-/)
    assert.equal(lists.length, referrersApi ? 0 : 4)
    // Names, lists of referrers, and each version of the list that oras keeps under a tag count with the manifests.
    const others = registry.requests.filter((request) => !/\/blobs\//.test(request) && !request.endsWith(' /v2/'))
    t.diagnostic(`${registry.requests.length} requests, ${others.length} of them for manifests, names and lists`)
    assert.ok(others.length <= 7 * (manifests.length + lists.length), others.join('\n'))

    // Another commit with the same objects has the same layer, by another process.
    const next = makeRelease(`${registry.host}/acme/shop`, 'a later commit')
    const later = createUploader({ session: reader.session, oras: byOras, wait })
    await later.pushBlob(parseRepository(`${registry.host}/acme/shop`), packed.layer, MEDIA.layer)
    await later.pushBlob(parseRepository(`${registry.host}/acme/shop`), next.config, MEDIA.config)
    assert.equal(uploaded().length, 8)
    assert.equal(new Set(uploaded()).size, 8)
  })

test('oras comes back by itself when a registry asks it to', async (t) => {
  const registry = await startFakeRegistry()
  t.after(() => registry.close())
  const writer = createOras({ program: oras, env: { HOME: tmpdir(), PATH: process.env.PATH }, plainHttp: true })
  const { config } = makeRelease(`${registry.host}/acme/shop`)
  registry.when('POST', /blobs/).times(1).status(429, { 'retry-after': '0' })
  await writer.pushBlob(parseRepository(`${registry.host}/acme/shop`), config, 'application/json')
  assert.equal(registry.requests.filter((request) => request.startsWith('POST ')).length, 2)
})
