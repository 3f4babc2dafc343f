import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { makeKey } from '../fakes/keys.ts'
import { startFakeRegistry } from '../fakes/registry.ts'
import { makeRelease } from '../fakes/release.ts'
import { assertFails, assertNoStack, jsonError, waybillHere } from './command.ts'
import { makeRepository, settings, shopFiles } from './repository.ts'

const folder = mkdtempSync(join(tmpdir(), 'waybill-cli-'))
after(() => rmSync(folder, { recursive: true }))

const SECRET = 'aHVudGVyMi10aGUtc2VjcmV0'
const secret = `apiVersion: v1
kind: Secret
metadata: { name: login }
data: { password: ${SECRET} }
`

let made = 0
function repositoryWith(files: Readonly<Record<string, string>>): string {
  const repository = makeRepository(join(folder, `repository-${++made}`))
  repository.commit(files)
  return repository.folder
}
const shop = repositoryWith(shopFiles('registry.example.com/acme/shop'))
const withSecret = repositoryWith({
  ...shopFiles('registry.example.com/acme/shop', { secrets: 'allow' }),
  'deploy/login.yaml': secret,
})

test('what pack writes is one JSON document, and show reads it back from the folder', async () => {
  const out = join(folder, 'packed')
  const packed = await waybillHere(['pack', '--repo', shop, '--out', out, '--output', 'json', '--quiet'])
  assert.deepEqual([packed.status, packed.stderr], [0, ''])
  const { digest, environments } = JSON.parse(packed.stdout)
  assert.match(digest, /^sha256:[0-9a-f]{64}$/)
  assert.equal(environments.production.objects, 1)
  const shown = await waybillHere(['show', out, '--output', 'json'])
  const document = JSON.parse(shown.stdout)
  assert.deepEqual([document.digest, document.verified, document.statements], [digest, false, []])
  const yaml = await waybillHere(['show', `${out}@${digest}`, '--env', 'production'])
  assert.match(yaml.stdout, /kind: ConfigMap[\s\S]*greeting: Hello/)
})

test('packing in the repository itself does not change what is packed', async () => {
  const inside = await waybillHere(['pack', '--out', 'packed', '--output', 'json'], { cwd: shop })
  const again = await waybillHere(['pack', '--repo', shop, '--out', join(folder, 'again'), '--output', 'json'])
  assert.equal(JSON.parse(inside.stdout).digest, JSON.parse(again.stdout).digest)
})

test('a Secret is printed without its values unless they are asked for', async () => {
  const out = join(folder, 'with-secret')
  await waybillHere(['pack', '--repo', withSecret, '--out', out])
  for (const args of [
    ['render', '--repo', withSecret],
    ['render', '--repo', withSecret, '--output', 'json'],
    ['show', out, '--env', 'production'],
    ['show', out, '--env', 'production', '--output', 'json'],
  ]) {
    const hidden = await waybillHere(args)
    assert.equal(hidden.status, 0, hidden.stderr)
    assert.match(hidden.stdout, /password.*redacted/)
    assert.doesNotMatch(hidden.stdout, new RegExp(SECRET))
    const shown = await waybillHere([...args, '--show-secrets'])
    assert.match(shown.stdout, new RegExp(SECRET))
  }
})

test('what stands where a Secret has its values is not printed, whatever its form', async () => {
  for (const [version, field] of [
    ['v1', `stringData: ${SECRET}`],
    ['v1', `data: [${SECRET}]`],
    ['v2', `stringData: { password: ${SECRET} }`],
  ]) {
    const odd = `apiVersion: ${version}\nkind: Secret\nmetadata: { name: login }\n${field}\n`
    const repository = repositoryWith({ ...shopFiles('registry.example.com/acme/shop'), 'deploy/login.yaml': odd })
    const { status, stdout } = await waybillHere(['render', '--repo', repository])
    assert.equal(status, 0)
    assert.match(stdout, /redacted/)
    assert.doesNotMatch(stdout, new RegExp(SECRET))
  }
})

test('check names every fault with its file, line and object, and no value of a Secret', async () => {
  const repository = repositoryWith({
    ...shopFiles('registry.example.com/acme/shop'),
    'deploy/login.yaml': secret,
    'deploy/again.yaml': settings('Again'),
    'deploy/pod.yaml':
      'apiVersion: v1\nkind: Pod\nmetadata: { name: p }\nspec:\n  containers:\n    - { name: c, image: nginx }\n',
  })
  const ran = await waybillHere(['check', '--repo', repository])
  assertFails(ran, 3, 'CHECK_FAILED')
  assert.match(ran.stderr, /deploy\/login\.yaml:\d+ Secret .*login/)
  assert.match(ran.stderr, /deploy\/pod\.yaml:6 Pod .*p.*nginx/)
  assert.match(ran.stderr, /ConfigMap .*settings/)
  assert.doesNotMatch(ran.stderr, new RegExp(SECRET))
  const json = await waybillHere(['check', '--repo', repository, '--output', 'json'])
  assert.equal(jsonError(json).code, 'CHECK_FAILED')
  assert.equal(json.status, 3)
  assert.ok(JSON.parse(json.stdout).error.faults.length >= 3)
})

test('long work says on stderr what is being done, a line each, and not where it shall be quiet', async () => {
  for (const args of [['check'], ['render'], ['pack', '--out', join(folder, 'steps')]]) {
    const ran = await waybillHere([...args, '--repo', shop, '--output', 'json'])
    assert.match(ran.stderr, /^rendering\nrendering again, to compare\n(?:checking\n(?:packing\n)?)?$/)
    JSON.parse(ran.stdout)
    assert.equal((await waybillHere([...args, '--repo', shop, '--quiet'])).stderr, '')
  }
})

test('check reports in the form that GitHub, GitLab and code scanning take, with the exit status of every form', async () => {
  const repository = repositoryWith({
    ...shopFiles('registry.example.com/acme/shop'),
    'deploy/login.yaml': secret,
    'deploy/pod.yaml':
      'apiVersion: v1\nkind: Pod\nmetadata: { name: p }\nspec:\n  containers:\n    - { name: c, image: nginx }\n',
  })
  const report = (form: string, repo = repository) => waybillHere(['check', '--repo', repo, '--output', form, '-q'])
  const github = await report('github')
  assert.deepEqual([github.status, github.stderr], [3, ''])
  assert.match(github.stdout, /^::error file=deploy\/pod\.yaml,line=6,title=IMAGE_UNPINNED::/m)
  assert.match(github.stdout, /^::notice title=waybill check::2 faults and \d+ warnings?$/m)
  const gitlab = await report('gitlab')
  assert.deepEqual(
    JSON.parse(gitlab.stdout).map(({ location }: { location: { path: string } }) => location.path),
    ['deploy/login.yaml', 'deploy/pod.yaml'],
  )
  assertFails(gitlab, 3, 'CHECK_FAILED')
  const sarif = await report('sarif')
  assert.equal(JSON.parse(sarif.stdout).runs[0].results.length, 2)
  assertFails(sarif, 3, 'CHECK_FAILED')
  assert.doesNotMatch(github.stdout + gitlab.stdout + sarif.stdout, new RegExp(SECRET))
  for (const form of ['github', 'gitlab', 'sarif']) assert.equal((await report(form, shop)).status, 0)
  assert.equal((await report('gitlab', shop)).stdout, '[]\n')
  assert.match((await report('github', folder)).stdout, /^::error file=waybill\.yaml,line=1,title=GIT_REPOSITORY::/)
})

const broken: readonly (readonly [string, () => string, readonly string[], number, string])[] = [
  ['a folder that is no Git repository', () => folder, [], 2, 'GIT_REPOSITORY'],
  ['a repository without a commit', () => makeRepository(join(folder, 'empty')).folder, [], 2, 'GIT_EMPTY'],
  ['a revision that the clone does not have', () => shop, ['--rev', 'no-such-ref'], 2, 'GIT_REVISION'],
  ['a commit without waybill.yaml', () => repositoryWith({ 'README.md': 'Shop' }), [], 2, 'PACKAGE_FILE_MISSING'],
  ['a waybill.yaml that is no YAML', () => repositoryWith({ 'waybill.yaml': 'a: [' }), [], 2, 'PACKAGE_FILE_INVALID'],
  [
    'a waybill.yaml of unknown fields',
    () => repositoryWith({ 'waybill.yaml': 'spec: {}\nx: 1\n' }),
    [],
    2,
    'PACKAGE_FILE_INVALID',
  ],
  ['an environment that is not declared', () => shop, ['--env', 'moon'], 2, 'ENVIRONMENT_MISSING'],
]
for (const [what, repository, args, status, code] of broken)
  test(`${what} is one clear error: ${code}`, async () => {
    const ran = await waybillHere(['render', '--repo', repository(), ...args])
    assertFails(ran, status, code)
    assert.equal(ran.stdout, '')
  })

test('without oras, and with one that is too old, publishing says so and writes nothing', async () => {
  const registry = await startFakeRegistry()
  try {
    const repository = repositoryWith(shopFiles(`${registry.host}/acme/shop`))
    const key = join(folder, 'release.pem')
    writeFileSync(key, makeKey().pem)
    const bin = join(folder, 'bin')
    mkdirSync(bin)
    symlinkSync(execFileSync('sh', ['-c', 'command -v git'], { encoding: 'utf8' }).trim(), join(bin, 'git'))
    const args = ['publish', '--repo', repository, '--key', key, '--version', '1.0.0', '--plain-http']
    const missing = await waybillHere(args, { env: { PATH: bin } })
    assertFails(missing, 1, 'TOOL_MISSING')
    assert.match(missing.stderr, /oras/)
    const old = join(bin, 'old-oras')
    writeFileSync(old, '#!/bin/sh\necho "Version:        1.2.3"\n')
    chmodSync(old, 0o755)
    assertFails(
      await waybillHere(args, { env: { PATH: `${bin}:/bin:/usr/bin`, WAYBILL_ORAS: old } }),
      3,
      'TOOL_VERSION',
    )
    assert.deepEqual(
      registry.requests.filter((request) => !/^(?:GET|HEAD) /.test(request)),
      [],
    )
  } finally {
    await registry.close()
  }
})

test('an --out that cannot be written, or holds something else, is one clear error, and keeps what it held', async () => {
  const held = join(folder, 'held')
  mkdirSync(held)
  writeFileSync(join(held, 'index.json'), '{"mine": true}')
  for (const [out, status, code] of [
    ['/proc/packed', 1, 'DISK_FAILED'],
    [join(held, 'index.json', 'below'), 1, 'DISK_FAILED'],
    [join(held, 'index.json'), 2, 'FILE_UNREADABLE'],
    [held, 2, 'FILE_UNREADABLE'],
  ] as const)
    assertFails(await waybillHere(['pack', '--repo', shop, '--out', out]), status, code)
  assert.deepEqual(readdirSync(held), ['index.json'])
})

test('a key that cannot sign is refused before the registry is asked anything', async () => {
  const registry = await startFakeRegistry()
  try {
    const repository = repositoryWith(shopFiles(`${registry.host}/acme/shop`))
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const key = join(folder, 'public.pem')
    writeFileSync(key, publicKey.export({ type: 'spki', format: 'pem' }))
    for (const args of [
      ['publish', '--repo', repository, '--version', '1.0.0'],
      ['promote', `${registry.host}/acme/shop:1.0.0`, '--to', 'production'],
    ])
      assertFails(await waybillHere([...args, '--key', key, '--plain-http']), 2, 'KEY_INVALID')
    assert.deepEqual(registry.requests, [])
  } finally {
    await registry.close()
  }
})

test('whatever a registry does, show and verify end in one clear error, and print nothing of the release', async () => {
  const registry = await startFakeRegistry()
  try {
    const repository = `${registry.host}/acme/shop`
    const { manifest, config, layer, digest } = makeRelease(repository)
    registry.putManifest('acme/shop', manifest, { tag: 'production' })
    for (const bytes of [config, layer]) registry.putBlob('acme/shop', bytes)
    const policy = join(folder, 'trust.yaml')
    const spec = `repositories: ["${registry.host}/**"], authorities: [{name: ci, key: {pem: ${JSON.stringify(makeKey().publicKeyPem)}}}], require: {signature: {by: [ci]}}`
    writeFileSync(policy, `apiVersion: waybill.dev/v1alpha1\nkind: TrustPolicy\nmetadata: {name: a}\nspec: {${spec}}\n`)
    const name = `${repository}@${digest}`
    const commands = {
      show: ['show', name],
      verify: ['verify', name, '--policy', policy],
      tag: ['show', `${repository}:production`],
    }
    for (const [command, spoil, status, code] of [
      ['show', () => registry.when('GET', /manifests/).truncate(), 1, 'REGISTRY_UNREACHABLE'],
      ['show', () => registry.when('GET', /manifests/).lie('{}'), 1, 'DIGEST_MISMATCH'],
      ['show', () => registry.when('GET', /manifests/).flood(), 3, 'LIMIT_EXCEEDED'],
      ['show', () => registry.when('GET', /blobs/).lie('{}'), 1, 'DIGEST_MISMATCH'],
      ['show', () => registry.when('GET', /blobs/).redirect('http://169.254.169.254/'), 3, 'REGISTRY_REDIRECT'],
      ['tag', () => registry.when('HEAD', /./).status(401), 1, 'REGISTRY_AUTH'],
      ['tag', () => registry.when('HEAD', /./).status(404), 1, 'REGISTRY_NOT_FOUND'],
      ['tag', () => registry.when('HEAD', /./).status(429), 1, 'REGISTRY_RATE_LIMITED'],
      ['tag', () => registry.when('HEAD', /./).hangUp(), 1, 'REGISTRY_UNREACHABLE'],
      ['verify', () => registry.when('GET', /referrers/).status(500), 1, 'REGISTRY_FAILED'],
      ['verify', () => registry.when('GET', /referrers/).lie('<html>'), 1, 'REGISTRY_ANSWER_INVALID'],
      ['verify', () => registry.when('GET', /referrers/).redirect('http://127.0.0.1:1/'), 3, 'REGISTRY_REDIRECT'],
    ] as const) {
      registry.behave()
      spoil()
      const ran = await waybillHere([...commands[command], '--plain-http'])
      assertFails(ran, status, code)
      assert.equal(ran.stdout, '')
    }
  } finally {
    await registry.close()
  }
})

const small = mountSmall(join(folder, 'small'))
test('a disk that is full is DISK_FULL, for the layout and for the temporary folder', {
  skip: small === undefined,
}, async () => {
  assert.ok(small !== undefined)
  try {
    for (const [args, env] of [
      [['pack', '--repo', shop, '--out', join(small, 'packed')], {}],
      [['render', '--repo', shop, '--out', join(small, 'rendered')], {}],
      [['check', '--repo', shop], { TMPDIR: small }],
    ] as const) {
      writeFileSync(join(small, 'filler'), Buffer.alloc(0))
      fill(join(small, 'filler'))
      const ran = await waybillHere(args, { env })
      assertFails(ran, 1, 'DISK_FULL')
      assertNoStack(ran)
      assert.deepEqual(readdirSync(small), ['filler'])
      rmSync(join(small, 'filler'))
      for (const name of readdirSync(small)) rmSync(join(small, name), { recursive: true })
    }
  } finally {
    execFileSync('umount', [small])
  }
})

/** A file system of 64 KiB, where we may mount one. */
function mountSmall(at: string): string | undefined {
  mkdirSync(at)
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'none', at], { stdio: 'ignore' })
    return at
  } catch {
    return undefined
  }
}

function fill(path: string): void {
  try {
    writeFileSync(path, Buffer.alloc(1 << 20))
  } catch {
    // It is full now, which was the point.
  }
}
