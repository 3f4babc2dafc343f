import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { request } from 'undici'
import { type Digest, digestOf } from '../../../contract/digest.ts'
import { createRegistryReader } from '../../../contract/registry/registry-client.ts'
import { type LockOptions, lock } from '../../../packager/lock/lock.ts'
import { packCommit } from '../../../packager/pack-commit.ts'
import { ensureTools } from '../../../tools/build.ts'
import { REGISTRY_KINDS, type RegistryKind, startRegistry } from '../../real/registry.ts'
import { commitAll, optionsFor, repositoryOf, writeFiles } from '../repository.ts'
import { filesWith } from './lock-repository.ts'

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
const INDEX = 'application/vnd.oci.image.index.v1+json'

/** A real registry, a client that pushes images of two platforms, and `lock` over it. */
async function settle(t: TestContext, kind: RegistryKind) {
  const registry = await startRegistry({ kind })
  const reader = createRegistryReader({ plainHttp: true })
  t.after(() => Promise.all([registry.stop(), reader.close()]))
  const put = async (path: string, body: Buffer, type: string) => {
    const headers = { 'content-type': type }
    const answer = await request(new URL(path, `http://${registry.host}`), { method: 'PUT', body, headers })
    assert.equal(answer.statusCode, 201, await answer.body.text())
  }
  const pushBlob = async (repository: string, bytes: Buffer) => {
    const begun = await request(`http://${registry.host}/v2/${repository}/blobs/uploads/`, { method: 'POST' })
    await begun.body.dump()
    const to = new URL(String(begun.headers.location), `http://${registry.host}`)
    to.searchParams.set('digest', digestOf(bytes))
    await put(to.href, bytes, 'application/octet-stream')
    return { digest: digestOf(bytes), size: bytes.length }
  }
  const pushManifest = async (repository: string, name: string | undefined, content: object, mediaType: string) => {
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, ...content }))
    await put(`/v2/${repository}/manifests/${name ?? digestOf(bytes)}`, bytes, mediaType)
    return { mediaType, digest: digestOf(bytes), size: bytes.length }
  }
  /** An index of two images under a tag; `what` makes it another one. */
  const push = async (repository: string, tag: string, what: string): Promise<Digest> => {
    const manifests: object[] = []
    for (const architecture of ['amd64', 'arm64']) {
      const blob = await pushBlob(repository, Buffer.from(JSON.stringify({ architecture, os: 'linux', what })))
      const config = { mediaType: 'application/vnd.oci.image.config.v1+json', ...blob }
      const image = await pushManifest(repository, undefined, { config, layers: [] }, MANIFEST)
      manifests.push({ ...image, platform: { architecture, os: 'linux' } })
    }
    return (await pushManifest(repository, tag, { manifests }, INDEX)).digest
  }
  const run = (repo: string, options: Partial<LockOptions> = {}) =>
    lock({ ...optionsFor(repo), update: { names: [] }, registry: reader, ...options })
  return { host: registry.host, push, run }
}

for (const kind of REGISTRY_KINDS)
  test(`a tag that moves in a real registry (${kind}) moves nothing until lock --update, and the index counts`, async (t) => {
    const { host, push, run } = await settle(t, kind)
    const name = `${host}/acme/api:1.4`
    const before = await push('acme/api', '1.4', 'before')
    const repo = repositoryOf(filesWith(name))
    await run(repo)
    commitAll(repo)
    const imagesOf = async () => (await packCommit(optionsFor(repo))).release.environments.dev?.images
    assert.deepEqual(await imagesOf(), [`${name}@${before}`])

    const after = await push('acme/api', '1.4', 'after')
    assert.equal((await run(repo)).changed, false)
    assert.deepEqual((await run(repo, { update: { names: [`${host}/acme/api`] } })).images, [
      { name, change: 'updated', digest: after, previous: before },
    ])
    commitAll(repo)
    assert.deepEqual(await imagesOf(), [`${name}@${after}`])
  })

test('what lock writes into an object, oras pulls from the registry although the tag has moved', async (t) => {
  const { host, push, run } = await settle(t, 'distribution')
  await push('acme/api', '1.4', 'before')
  const repo = repositoryOf(filesWith(`${host}/acme/api:1.4`))
  await run(repo)
  commitAll(repo)
  await push('acme/api', '1.4', 'after')
  const [image = ''] = (await packCommit(optionsFor(repo))).release.environments.dev?.images ?? []
  const { oras } = await ensureTools(['oras'])
  const fetched = execFileSync(oras, ['manifest', 'fetch', '--plain-http', image], { encoding: 'utf8', stdio: 'pipe' })
  assert.equal(digestOf(fetched), image.slice(image.indexOf('@') + 1))
})

test('an image of a registry that is gone is an error, and what was locked stays', async (t) => {
  const { host, push, run } = await settle(t, 'referrers')
  await push('acme/api', '1.4', 'a')
  const repo = repositoryOf(filesWith(`${host}/acme/api:1.4`))
  await run(repo)
  const before = readFileSync(join(repo, 'waybill.lock'), 'utf8')
  writeFiles(repo, filesWith(`${host}/acme/api:1.4`, '127.0.0.1:1/acme/web:1'))
  commitAll(repo)
  await assert.rejects(run(repo), { code: 'REGISTRY_UNREACHABLE' })
  assert.equal(readFileSync(join(repo, 'waybill.lock'), 'utf8'), before)
})
