import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { kindOfName } from '../../cli/diff-side.ts'
import { createRegistryReader } from '../../contract/registry/registry-client.ts'
import { writeLayout } from '../../packager/layout.ts'
import { packArtifacts, packCommit } from '../../packager/pack-commit.ts'
import { publish } from '../../packager/publish/publish.ts'
import { httpWriter } from '../fakes/http-writer.ts'
import { makeKey } from '../fakes/keys.ts'
import { startFakeRegistry } from '../fakes/registry.ts'
import { optionsFor } from '../packager/repository.ts'
import { assertFails, waybillHere } from './command.ts'
import { makeRepository, settings, shopFiles } from './repository.ts'

const folder = mkdtempSync(join(tmpdir(), 'waybill-diff-'))
after(() => rmSync(folder, { recursive: true }))

const VALUE = 'aHVudGVyMi10aGUtc2VjcmV0'
const login = (password: string) =>
  `apiVersion: v1\nkind: Secret\nmetadata: { name: login }\ndata: { password: ${password}, same: c2FtZQ== }\n`
const repository = makeRepository(join(folder, 'shop'))
const repo = repository.folder
const first = repository.commit({
  ...shopFiles('registry.example.com/acme/shop', { secrets: 'allow' }),
  'deploy/login.yaml': login(VALUE),
})
const second = repository.commit({
  'deploy/settings.yaml': settings('Bonjour'),
  'deploy/login.yaml': login('b3RoZXI='),
})

const diff = (...args: readonly string[]) => waybillHere(['diff', ...args], { cwd: repo })
const report = async (...args: readonly string[]) => {
  const ran = await diff(...args, '--output', 'json')
  assert.equal(ran.status, 0, ran.stderr)
  return JSON.parse(ran.stdout)
}

test('two commits are compared, and no value of a Secret is told in any form', async () => {
  const { differ, environments, before, after } = await report(first, second)
  assert.deepEqual([differ, before.revision, after.revision], [true, `sha1:${first}`, `sha1:${second}`])
  assert.deepEqual(environments.production.objects, [
    {
      object: 'ConfigMap settings',
      apiVersion: 'v1',
      kind: 'ConfigMap',
      name: 'settings',
      change: 'changed',
      fields: [{ path: 'data.greeting', change: 'changed', before: 'Hello', after: 'Bonjour' }],
    },
    {
      object: 'Secret login',
      apiVersion: 'v1',
      kind: 'Secret',
      name: 'login',
      change: 'changed',
      fields: [{ path: 'data.password', change: 'changed', hidden: true }],
    },
  ])
  for (const form of ['text', 'json', 'markdown']) {
    const { stdout, stderr } = await diff(first, second, '--output', form)
    assert.match(stdout, /data\.password/)
    assert.doesNotMatch(stdout + stderr, /aHVudGVy|b3RoZXI|c2FtZQ/)
  }
})

test('without a second name the commit that is checked out is compared, and what is not committed is told, not read', async () => {
  const clean = await report(first)
  assert.deepEqual(
    [clean.after.name, clean.after.revision, clean.after.uncommitted],
    ['HEAD', `sha1:${second}`, undefined],
  )
  writeFileSync(join(repo, 'deploy/new.yaml'), settings('Hej').replace('settings', 'new'))
  try {
    const ran = await diff(first)
    assert.match(ran.stderr, /HEAD: changes that are not committed are not compared/)
    assert.match(ran.stdout, /HEAD: changes that are not committed are not part of it/)
    assert.doesNotMatch(ran.stdout, /ConfigMap new/)
  } finally {
    rmSync(join(repo, 'deploy/new.yaml'))
  }
})

test('the exit status is 0, and 5 where they differ and that is asked for', async () => {
  assert.equal((await diff(first, second)).status, 0)
  assert.equal((await diff(first, second, '--exit-code')).status, 5)
  const same = await diff(second, 'HEAD', '--exit-code')
  assert.deepEqual([same.status, /^production: nothing changes$/m.test(same.stdout)], [0, true])
})

test('a layout, a release in a registry and a commit are compared with each other', async () => {
  const packed = await packCommit(optionsFor(repo, { rev: first }))
  await waybillHere(['pack', '--repo', repo, '--rev', first, '--out', join(folder, 'packed')])
  const registry = await startFakeRegistry()
  try {
    for (const blob of [packed.config, packed.layer]) registry.putBlob('acme/shop', blob)
    registry.putManifest('acme/shop', packed.manifest, { tag: 'production' })
    const name = `${registry.host}/acme/shop:production`
    const released = await report(name, 'HEAD', '--plain-http')
    assert.deepEqual([released.before.kind, released.before.digest], ['release', packed.digest])
    assert.deepEqual(released.environments, (await report(first, 'HEAD')).environments)
    for (const [a, b] of [
      [join(folder, 'packed'), name],
      ['../packed', `../packed@${packed.digest}`],
      ['../packed', first],
    ] as const)
      assert.equal((await diff(a, b, '--plain-http', '--exit-code')).status, 0, `${a} ${b}`)
    assert.match((await diff(name, 'HEAD', '--plain-http')).stdout, /^Before: .*, not verified$/m)
  } finally {
    await registry.close()
  }
})

test('a release says which version it is and which tools its provenance claims, and that nobody verified it', async () => {
  const registry = await startFakeRegistry()
  const reader = createRegistryReader({ plainHttp: true })
  try {
    const own = makeRepository(join(folder, 'published'))
    own.commit(shopFiles(`${registry.host}/acme/shop`))
    const packed = await packCommit(optionsFor(own.folder))
    const build = { builderId: 'https://ci.example.com', tools: { waybill: '0.1.0', kustomize: '5.8.1' } }
    const options = { writer: httpWriter(), reader, key: makeKey(), build, now: new Date('2026-11-21T10:00:00Z') }
    await publish(packed, { ...options, version: '1.4.2' })
    const name = `${registry.host}/acme/shop:1.4.2`
    const ran = await waybillHere(['diff', name, '--repo', own.folder, '--plain-http'])
    assert.match(ran.stdout, /^Before: .*, version 1\.4\.2, .*, not verified\n/)
    assert.match(ran.stdout, /^kustomize: 5\.8\.1 → \(none\)$/m)
  } finally {
    await reader.close()
    await registry.close()
  }
})

test('a release of one environment’s repository is compared with that environment alone', async () => {
  const own = makeRepository(join(folder, 'homes'))
  const files = shopFiles('registry.example.com/acme/shop')
  const staging = '    staging: { manifests: [deploy], repository: registry.example.com/acme/shop-staging }\n'
  const text = String(files['waybill.yaml']).replace('environments:\n', `environments:\n${staging}`)
  own.commit({ ...files, 'waybill.yaml': text })
  const released = (await packArtifacts(optionsFor(own.folder))).map((packed) => ({
    packed,
    layout: join(folder, `home-${packed.release.package.repository.split('/').at(-1)}`),
  }))
  for (const { layout, packed } of released) await writeLayout(layout, packed)
  own.commit({ 'deploy/settings.yaml': settings('Bonjour') })
  for (const [layout, environment] of [
    ['home-shop-staging', 'staging'],
    ['home-shop', 'production'],
  ] as const)
    for (const names of [
      [join(folder, layout), 'HEAD'],
      ['HEAD', join(folder, layout)],
    ]) {
      const ran = await waybillHere(['diff', ...names, '--repo', own.folder, '--output', 'json'])
      const { environments, before, after } = JSON.parse(ran.stdout)
      assert.deepEqual(Object.keys(environments), [environment])
      assert.equal(environments[environment].status, 'changed')
      assert.equal(before.repository, after.repository)
    }
})

test('an environment that only one commit has is new, and --env asks for one alone', async () => {
  const other = makeRepository(join(folder, 'two'))
  const files = shopFiles('registry.example.com/acme/shop')
  other.commit(files)
  const two = String(files['waybill.yaml']).replace(
    'environments:\n',
    'environments:\n    staging: { manifests: [deploy] }\n',
  )
  other.commit({ 'waybill.yaml': two })
  const all = await waybillHere(['diff', 'HEAD~1', '--repo', other.folder])
  assert.match(all.stdout, /^production: nothing changes$/m)
  assert.match(all.stdout, /^staging: a new environment: 1 added/m)
  const ran = await waybillHere(['diff', 'HEAD~1', '--repo', other.folder, '--env', 'staging'])
  assert.doesNotMatch(ran.stdout, /production/)
  assertFails(await waybillHere(['diff', 'HEAD~1', '--repo', other.folder, '--env', 'moon']), 2, 'ENVIRONMENT_MISSING')
})

test('what a name is follows from its form alone', () => {
  const names: Readonly<Record<ReturnType<typeof kindOfName>, readonly string[]>> = {
    layout: ['.', './packed', '../packed', '/srv/packed', `./packed@sha256:${'0'.repeat(64)}`],
    reference: [
      'registry.example.com/acme/shop:production',
      `registry.example.com/acme/shop@sha256:${'0'.repeat(64)}`,
      'localhost/shop:1.0.0',
      '127.0.0.1:5000/acme/shop:1.0.0',
      'localhost:5000/acme/shop',
    ],
    revision: [
      'HEAD',
      'main',
      'origin/main',
      'v1.4.2',
      'HEAD~2',
      'HEAD@{1}',
      ':/fix: it',
      'HEAD^{/a: b}',
      'a.b/c',
      'a.b/c@{1}',
      'packed',
    ],
  }
  for (const [kind, examples] of Object.entries(names))
    for (const name of examples) assert.equal(kindOfName(name), kind, name)
})

test('a folder that a pull request brings does not take the place of a branch', async () => {
  execFileSync('git', ['branch', 'base', first], { cwd: repo })
  await waybillHere(['pack', '--repo', repo, '--out', join(repo, 'base')])
  try {
    assert.equal((await report('base', 'HEAD')).before.revision, `sha1:${first}`)
  } finally {
    rmSync(join(repo, 'base'), { recursive: true })
  }
})

test('whoever names a folder without its ./ is told to write it', async () => {
  await waybillHere(['pack', '--repo', repo, '--out', join(repo, 'written')])
  try {
    const ran = await diff('written')
    assertFails(ran, 2, 'GIT_REVISION')
    assert.match(ran.stderr, /^hint: .*\.\/written\.$/m)
  } finally {
    rmSync(join(repo, 'written'), { recursive: true })
  }
})

const wrong: readonly (readonly [string, readonly string[], number, string])[] = [
  ['a revision that is not there', ['no-such'], 2, 'GIT_REVISION'],
  ['a folder that holds no release', ['./deploy'], 2, 'FILE_UNREADABLE'],
  ['a reference without a tag', ['localhost:5000/acme/shop'], 2, 'REFERENCE_INVALID'],
  ['an option for a revision', ['--', '--output=x'], 2, 'GIT_REVISION'],
]
for (const [what, args, status, code] of wrong)
  test(`${what} is one clear error: ${code}`, async () => assertFails(await diff(...args), status, code))

test('objects that cannot be told apart are refused, with their places; what else check finds is not asked for', async () => {
  const files = shopFiles('registry.example.com/acme/shop')
  const twice = makeRepository(join(folder, 'twice'))
  twice.commit(files)
  twice.commit({ 'deploy/again.yaml': settings('Again') })
  const ran = await waybillHere(['diff', 'HEAD~1', '--repo', twice.folder])
  assertFails(ran, 3, 'CHECK_FAILED')
  assert.match(ran.stderr, /deploy\/settings\.yaml:3 ConfigMap settings/)
  mkdirSync(join(folder, 'unpinned'))
  const unpinned = makeRepository(join(folder, 'unpinned'))
  unpinned.commit(files)
  const pod = 'apiVersion: v1\nkind: Pod\nmetadata: { name: p }\nspec: { containers: [{ name: c, image: nginx }] }\n'
  unpinned.commit({ 'deploy/pod.yaml': pod })
  assert.match((await waybillHere(['diff', 'HEAD~1', '--repo', unpinned.folder])).stdout, /Images\n +\+ nginx\n/)
})
