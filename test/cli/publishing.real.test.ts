import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { digestOf } from '../../contract/digest.ts'
import { ensureTools } from '../../tools/build.ts'
import { makeKey } from '../fakes/keys.ts'
import { type Registry, startRegistry } from '../real/registry.ts'
import { assertFails, type Ran, waybillHere } from './command.ts'
import { makeRepository, type Repository, settings, shopFiles } from './repository.ts'

/** Publishing, carrying and copying by the command line alone, between real registries with and without the referrers API. */
const folder = mkdtempSync(join(tmpdir(), 'waybill-publishing-'))
const { oras } = await ensureTools(['oras'])
const home = await startRegistry({ kind: 'distribution' })
const mirrors = [await startRegistry({ kind: 'distribution' }), await startRegistry({ kind: 'referrers' })]
after(async () => {
  await Promise.all([home, ...mirrors].map((registry) => registry.stop()))
  rmSync(folder, { recursive: true })
})

const env = { WAYBILL_ORAS: oras }
const key = makeKey()
const keyFile = join(folder, 'release.pem')
writeFileSync(keyFile, key.pem)
let count = 0

const run = (args: readonly string[], more: Readonly<Record<string, string>> = {}): Promise<Ran> =>
  waybillHere(args, { cwd: folder, env: { ...env, ...more } })

async function done(...args: readonly string[]) {
  const ran = await run([...args, '--output', 'json'])
  assert.equal(ran.status, 0, `waybill ${args.join(' ')}\n${ran.stderr}${ran.stdout}`)
  return JSON.parse(ran.stdout)
}

/** A shop of its own: a repository of Git and of a registry, and a policy that asks for everything. */
function settle() {
  const name = `shop-${++count}`
  const canonical = `${home.host}/acme/${name}`
  const git: Repository = makeRepository(join(folder, name))
  git.commit(shopFiles(canonical))
  const policy = join(folder, `${name}.yaml`)
  const by = ['ci']
  const spec = {
    repositories: [canonical, ...mirrors.map(({ host }) => `${host}/production/${name}`)],
    authorities: [{ name: 'ci', key: { pem: key.publicKeyPem } }],
    require: { signature: { by }, provenance: { by }, release: { by }, promotion: { by } },
  }
  const kind = { apiVersion: 'waybill.dev/v1alpha1', kind: 'TrustPolicy', metadata: { name } }
  writeFileSync(policy, JSON.stringify({ ...kind, spec }))
  const publish = (...args: readonly string[]) =>
    done('publish', '--repo', git.folder, '--key', keyFile, '--plain-http', ...args)
  /** What the puller would say of it, with `mirrorOf`. */
  const verify = (reference: string) =>
    done('verify', reference, '--policy', policy, '--mirror-of', canonical, '--plain-http')
  return { name, canonical, policy, git, publish, verify, copyTo: (mirror: Registry) => `${mirror.host}/far/${name}` }
}

test('a run of GitHub Actions is in the provenance, and verify says so; a checkout of another commit is refused', async () => {
  const { git, canonical, verify } = settle()
  const sha = git.commit({ 'README.md': 'one\n' })
  const github = {
    GITHUB_ACTIONS: 'true',
    GITHUB_SERVER_URL: 'https://github.com',
    GITHUB_REPOSITORY: 'acme/shop',
    GITHUB_REF: 'refs/heads/main',
    GITHUB_WORKFLOW_REF: 'acme/shop/.github/workflows/release.yaml@refs/heads/main',
    GITHUB_RUN_ID: '1658821493',
    GITHUB_ACTOR: 'octocat',
    GITHUB_TOKEN: 'hunter2',
  }
  const args = ['publish', '--repo', git.folder, '--key', keyFile, '--plain-http', '--version', '1.0.0']
  assertFails(await run(args, { ...github, GITHUB_SHA: 'a'.repeat(40) }), 3, 'BUILD_CONTRADICTED')
  const ran = await run(args, { ...github, GITHUB_SHA: sha })
  assert.equal(ran.status, 0, ran.stderr)
  const { checks } = await verify(`${canonical}:1.0.0`)
  const { detail } = checks.find(({ check }: { check: string }) => check === 'provenance')
  for (const fact of [
    `sha1:${sha} of refs/heads/main`,
    'built by https://github.com/actions/runner/self-hosted',
    'workflow https://github.com/acme/shop/.github/workflows/release.yaml@refs/heads/main',
    'run https://github.com/acme/shop/actions/runs/1658821493/attempts/1',
    'set off by octocat',
  ])
    assert.ok(detail.includes(fact), `${fact}\n${detail}`)
  const shown = await run(['show', `${canonical}:1.0.0`, '--plain-http', '--output', 'json'])
  assert.doesNotMatch(`${ran.stdout}${ran.stderr}${shown.stdout}`, /hunter2/)
})

test('a release is published into a layout with no registry and no oras, and carried from there with everything attached', async () => {
  const { git, canonical, policy, verify, copyTo } = settle()
  const layout = `./carry-${count}`
  const ran = await waybillHere(
    ['publish', '--repo', git.folder, '--key', keyFile, '--version', '1.0.0', '--channel', 'production'].concat([
      ...['--to-layout', layout, '--output', 'json'],
    ]),
    { cwd: folder, env: { WAYBILL_ORAS: '/nonexistent' } },
  )
  assert.equal(ran.status, 0, ran.stderr)
  const { digest, reference } = JSON.parse(ran.stdout)
  assert.equal(reference, `${layout}@${digest}`)
  for (const name of [`${layout}:production`, `${layout}:1.0.0`, layout]) assert.equal((await verify(name)).ok, true)
  assertFails(await run(['verify', layout, '--policy', policy]), 2, 'USAGE')
  assert.equal((await done('show', `${layout}:production`)).package.repository, canonical)
  const listed = execFileSync(oras, ['discover', '--oci-layout', '--format', 'json', `${layout}@${digest}`], {
    cwd: folder,
    encoding: 'utf8',
  })
  assert.equal(JSON.parse(listed).referrers.length, 4)
  assert.deepEqual(namesIn(layout), ['1.0.0', 'production'])
  for (const mirror of mirrors) {
    const copied = await done('copy', `${layout}:production`, copyTo(mirror), '--plain-http')
    assert.deepEqual(copied.tags, [
      { name: '1.0.0', changed: true },
      { name: 'production', changed: true },
    ])
    for (const tag of ['1.0.0', 'production']) {
      const { ok, digest: found } = await verify(`${copyTo(mirror)}:${tag}`)
      assert.deepEqual([ok, found], [true, digest])
    }
  }
})

test('a copy between registries, and into a layout and out of it, is what a policy for the original accepts', async () => {
  const { publish, canonical, verify, copyTo } = settle()
  const { digest } = await publish('--version', '1.0.0', '--channel', 'production')
  const [first, second] = mirrors.map(copyTo)
  assert.ok(first !== undefined && second !== undefined)
  const hops = [canonical, first, `./hop-${count}`, `./hop-${count}-again`, second]
  for (const [at, to] of hops.slice(1).entries()) {
    const copied = await done('copy', `${hops[at]}:1.0.0`, to, '--channel', 'production', '--plain-http')
    assert.deepEqual([copied.digest, copied.bundles], [digest, 4])
    assert.equal((await verify(`${to}:production`)).ok, true)
    assert.equal((await verify(`${to}:1.0.0`)).ok, true)
  }
  const again = await done('copy', `${canonical}:1.0.0`, second, '--channel', 'production', '--plain-http')
  assert.deepEqual(
    again.tags.map(({ changed }: { changed: boolean }) => changed),
    [false, false],
  )
})

test('a version at the destination is never moved, and nothing arrives beside it', async () => {
  const { publish, git, canonical, verify, copyTo } = settle()
  const [mirror] = mirrors
  assert.ok(mirror)
  const far = copyTo(mirror)
  const { digest: old } = await publish('--version', '1.0.0')
  await done('copy', `${canonical}:1.0.0`, far, '--plain-http')
  git.commit({ 'deploy/settings.yaml': settings('Again') })
  const layout = `./taken-${count}`
  const { digest: other } = await publish('--version', '1.0.0', '--to-layout', layout)
  assertFails(await run(['copy', `${layout}:1.0.0`, far, '--plain-http']), 3, 'VERSION_TAKEN')
  assert.equal((await verify(`${far}:1.0.0`)).digest, old)
  assertFails(await run(['show', `${far}@${other}`, '--plain-http']), 1, 'REGISTRY_NOT_FOUND')
})

test('a channel is copied as the source has it, or not at all', async () => {
  const { publish, git, canonical, verify, copyTo } = settle()
  const [, mirror] = mirrors
  assert.ok(mirror)
  const far = copyTo(mirror)
  await publish('--version', '1.0.0', '--channel', 'production')
  await done('copy', `${canonical}:1.0.0`, far, '--plain-http')
  assertFails(await run(['show', `${far}:production`, '--plain-http']), 1, 'REGISTRY_NOT_FOUND')
  git.commit({ 'deploy/settings.yaml': settings('Again') })
  const { digest } = await publish('--version', '2.0.0', '--channel', 'production')
  const old = ['copy', `${canonical}:1.0.0`, far, '--plain-http', '--channel']
  assertFails(await run([...old, 'production']), 3, 'CHANNEL_ELSEWHERE')
  await done('copy', `${canonical}:production`, far, '--plain-http')
  assert.equal((await verify(`${far}:production`)).digest, digest)
})

test('what nobody signed is not copied', async () => {
  const { git } = settle()
  await done('pack', '--repo', git.folder, '--out', 'unsigned')
  assertFails(await run(['copy', './unsigned', './elsewhere']), 3, 'NOT_PUBLISHED')
})

test('container images go along when asked, with all their platforms, and the report says where', async () => {
  const { git, canonical, publish, verify } = settle()
  const platforms = ['amd64', 'arm64'].map((architecture) => pushImage(`${home.host}/acme/api`, architecture))
  const index = pushIndex(`${home.host}/acme/api`, platforms)
  const image = `${home.host}/acme/api:1.0@${index}`
  git.commit({ 'deploy/pod.yaml': pod(image) })
  await publish('--version', '1.0.0', '--channel', 'production')
  const layout = `./images-${count}`
  const out = await done('copy', `${canonical}:production`, layout, '--images', '--plain-http')
  assert.deepEqual(out.images, [{ image, to: `${join(folder, layout)}@${index}` }])
  assert.equal((await run(['show', layout])).status, 0)
  const [mirror] = mirrors
  assert.ok(mirror)
  const prefix = `${mirror.host}/images-${count}`
  const into = ['copy', `${layout}:production`, `${mirror.host}/far/with-images-${count}`, '--plain-http']
  assertFails(await run([...into, '--images']), 2, 'USAGE')
  const { images, reference } = await done(...into, '--images', prefix)
  assert.deepEqual(images, [{ image, to: `${prefix}/acme/api@${index}` }])
  for (const digest of [index, ...platforms.map((one) => one.digest)])
    execFileSync(oras, ['manifest', 'fetch', '--plain-http', `${prefix}/acme/api@${digest}`])
  assert.equal((await verify(reference)).ok, true)
})

function namesIn(layout: string): readonly string[] {
  const index = JSON.parse(readFileSync(join(folder, layout, 'index.json'), 'utf8'))
  return index.manifests
    .flatMap((one: { annotations?: object }) => Object.entries(one.annotations ?? {}))
    .flatMap(([key, value]: [string, string]) => (key === 'org.opencontainers.image.ref.name' ? [value] : []))
    .sort()
}

function pod(image: string): string {
  return `apiVersion: v1
kind: Pod
metadata: { name: api }
spec: { containers: [{ name: api, image: "${image}" }] }
`
}

type Pushed = { readonly mediaType: string; readonly digest: string; readonly size: number; readonly platform: object }

function pushImage(repository: string, architecture: string): Pushed {
  const layer = join(folder, `layer-${architecture}`)
  writeFileSync(layer, architecture)
  const config = join(folder, `config-${architecture}.json`)
  writeFileSync(config, JSON.stringify({ architecture, os: 'linux', rootfs: { type: 'layers', diff_ids: [] } }))
  const args = ['push', '--plain-http', '--disable-path-validation', '--format', 'json']
  const configType = 'application/vnd.oci.image.config.v1+json'
  const pushed = execFileSync(oras, [...args, '--config', `${config}:${configType}`, repository, layer], {
    encoding: 'utf8',
  })
  const { mediaType, digest, size } = JSON.parse(pushed)
  return { mediaType, digest, size, platform: { os: 'linux', architecture } }
}

function pushIndex(repository: string, manifests: readonly Pushed[]): string {
  const file = join(folder, 'image-index.json')
  const mediaType = 'application/vnd.oci.image.index.v1+json'
  writeFileSync(file, JSON.stringify({ schemaVersion: 2, mediaType, manifests }))
  execFileSync(oras, ['manifest', 'push', '--plain-http', '--media-type', mediaType, `${repository}:1.0`, file])
  return digestOf(readFileSync(file))
}

test('a repository for each environment gets an artifact with that environment alone, and none gets a name before all are signed', async () => {
  const { canonical, git, verify, name, policy } = settle()
  const [mirror] = mirrors
  assert.ok(mirror)
  const apart = `${mirror.host}/production/${name}`
  const file = shopFiles(canonical)['waybill.yaml'] ?? ''
  const environments = `environments:
    staging: { manifests: [deploy] }
    production: { manifests: [deploy], repository: ${apart} }`
  git.commit({ 'waybill.yaml': file.replace(/environments:\n.*/, environments) })
  const commit = ['--repo', git.folder]
  const packed = await done('pack', ...commit, '--out', `packed-${count}`)
  const said = (data: { artifacts: { reference: string; environments: object }[] }) =>
    data.artifacts.map(({ reference, environments }) => [reference.split('@')[0], Object.keys(environments)])
  assert.deepEqual(
    said(packed),
    [canonical, apart].map((_, i) => [`packed-${count}`, [['staging'], ['production']][i]]),
  )

  const args = ['publish', ...commit, '--key', keyFile, '--plain-http', '--version', '1.0.0', '--channel', 'production']
  await mirror.stop()
  assertFails(await run(args), 1, 'REGISTRY_UNREACHABLE')
  await mirror.start()
  assertFails(await run(['show', `${canonical}:1.0.0`, '--plain-http']), 1, 'REGISTRY_NOT_FOUND')
  const published = await done(...args)
  assert.deepEqual(
    published.artifacts.map(({ changed }: { changed: boolean }) => changed),
    [true, true],
  )
  assert.deepEqual(said(published), [
    [canonical, ['staging']],
    [apart, ['production']],
  ])
  assert.deepEqual(
    published.artifacts.map(({ digest }: { digest: string }) => digest),
    packed.artifacts.map(({ digest }: { digest: string }) => digest),
  )
  assert.equal((await verify(`${canonical}:1.0.0`)).ok, true)
  const shown = await done('show', `${apart}:production`, '--plain-http')
  assert.deepEqual([shown.package.repository, Object.keys(shown.environments)], [apart, ['production']])
  assert.deepEqual(
    (await done(...args)).artifacts.map(({ changed }: { changed: boolean }) => changed),
    [false, false],
  )

  for (const reference of [`${canonical}:1.0.0`, `${apart}:1.0.0`]) {
    const again = ['--rebuild', '--repo', git.folder, '--plain-http']
    assert.equal((await done('verify', reference, '--policy', policy, ...again)).ok, true)
  }

  const layout = `./apart-${count}`
  const into = await done('publish', ...commit, '--key', keyFile, '--version', '1.0.0', '--to-layout', layout)
  for (const { reference } of into.artifacts) assert.equal((await run(['show', reference])).status, 0)
})
