import assert from 'node:assert/strict'
import { chmodSync, existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parseDocument } from 'yaml'
import { parsePackageFile } from '../../../packager/package-file.ts'
import { parseSigningKey } from '../../../packager/publish/keys.ts'
import { assertFails, jsonError, type Ran, waybillHere } from '../../cli/command.ts'
import { commitAll, type Files, git, tempFolder, writeFiles } from '../repository.ts'
import { SHAPES, toolsOf, workingTree } from './shapes.ts'

const REPOSITORY = 'ghcr.io/acme/shop'
const TOOLS = `${toolsOf({ kustomize: 'v5.7.0', helm: 'v4.2.0+g1' })}:${process.env.PATH}`

type Setting = { readonly args?: readonly string[]; readonly env?: Readonly<Record<string, string>> }

function init(folder: string, { args = [], env = {} }: Setting = {}): Promise<Ran> {
  return waybillHere(['init', '--repository', REPOSITORY, ...args], { cwd: folder, env: { PATH: TOOLS, ...env } })
}

const packageFileOf = (folder: string) => parsePackageFile(readFileSync(join(folder, 'waybill.yaml')))

/** What a repository of these files is made into. */
async function made(files: Files, setting: Setting = {}) {
  const folder = workingTree(files)
  const ran = await init(folder, setting)
  assert.equal(ran.status, 0, ran.stderr)
  return { ...packageFileOf(folder), folder, stdout: ran.stdout }
}

const summary = (environments: object) => JSON.parse(JSON.stringify(environments))

test('whom clusters trust is for an admin to apply, and part of a package that brings Deliveries', async () => {
  const object = (kind: string) => `apiVersion: waybill.dev/v1alpha1\nkind: ${kind}\nmetadata: { name: shop }\n`
  const settings = 'apiVersion: v1\nkind: ConfigMap\nmetadata: { name: shop }\n'
  const team = await made({ 'deploy/shop.yaml': settings, 'deploy/trust.yaml': object('TrustPolicy') })
  assert.deepEqual(summary(team.environments), { production: { kind: 'manifests', paths: ['deploy/shop.yaml'] } })
  const tenant = `${settings}---\n${object('Delivery')}`
  const platform = await made({ 'deploy/shop.yaml': tenant, 'deploy/trust.yaml': object('TrustPolicy') })
  assert.deepEqual(summary(platform.environments), { production: { kind: 'manifests', paths: ['deploy'] } })
})

test('overlays become environments, in the order of a release; bases and components do not', async () => {
  const { environments, tools, stdout } = await made(SHAPES.overlays)
  assert.deepEqual(summary(environments), {
    dev: { kind: 'kustomize', path: 'deploy/overlays/dev' },
    staging: { kind: 'kustomize', path: 'deploy/overlays/staging' },
    production: { kind: 'kustomize', path: 'deploy/overlays/production' },
  })
  assert.deepEqual(Object.keys(environments), ['dev', 'staging', 'production'])
  assert.deepEqual(tools, { kustomize: '5.7.0' })
  assert.match(stdout, /^found kustomize in deploy\/overlays: dev, staging, production$/m)
})

test('a chart’s values files become environments; its parts, examples and libraries do not', async () => {
  const { environments, tools } = await made(SHAPES.chart)
  const values = Object.entries(environments).map(([name, found]) => [name, found.kind === 'helm' ? found.values : []])
  assert.deepEqual(values, [
    ['dev', ['charts/shop/values-dev.yaml']],
    ['staging', ['charts/shop/values-staging.yaml']],
    ['prod', ['deploy/values.prod.yaml']],
  ])
  assert.deepEqual(summary(environments).dev, {
    kind: 'helm',
    chart: 'charts/shop',
    values: ['charts/shop/values-dev.yaml'],
    release: 'shop',
    namespace: 'shop',
  })
  assert.equal(tools.helm?.startsWith('4.2.0'), true)
})

test('a chart without values files, and a folder of plain manifests, are one environment', async () => {
  const { 'charts/shop/Chart.yaml': chart, 'charts/shop/values.yaml': values } = SHAPES.chart
  const one = await made({ 'charts/shop/Chart.yaml': chart, 'charts/shop/values.yaml': values })
  assert.deepEqual(Object.keys(one.environments), ['production'])
  const { environments, tools } = await made(SHAPES.plain)
  assert.deepEqual(summary(environments), { production: { kind: 'manifests', paths: ['k8s'] } })
  assert.deepEqual(tools, {})
})

test('what stands at the root itself is found there', async () => {
  const { 'k8s/a.yaml': settings } = SHAPES.plain
  const built = await made({ 'kustomization.yaml': 'resources: [a.yaml]\n', 'a.yaml': settings, 'b.yaml': settings })
  assert.deepEqual(summary(built.environments), { production: { kind: 'kustomize', path: '.' } })
  const chart = await made({ 'Chart.yaml': 'name: shop\n', 'values-prod.yaml': '', 'templates/a.yaml': settings })
  assert.deepEqual(summary(chart.environments).prod?.values, ['values-prod.yaml'])
  const plain = await made({ 'a.yaml': settings, 'package.json': '{}', 'src/tsconfig.json': '{}' })
  assert.deepEqual(summary(plain.environments), { production: { kind: 'manifests', paths: ['a.yaml'] } })
})

test('folders named like environments are environments, with what stands beside them in each', async () => {
  const { environments } = await made(SHAPES.environments)
  assert.deepEqual(summary(environments), {
    staging: { kind: 'manifests', paths: ['k8s/all.yaml', 'k8s/common', 'k8s/staging'] },
    prod: { kind: 'manifests', paths: ['k8s/all.yaml', 'k8s/common', 'k8s/prod'] },
  })
})

test('settings of other tools, tests and what is ignored are not delivered; a folder with other YAML is named file by file', async () => {
  const { environments } = await made({ ...SHAPES.mixed, '.gitignore': 'node_modules/\n' })
  assert.deepEqual(summary(environments), { production: { kind: 'manifests', paths: ['deploy/a.yaml'] } })
})

test('with nothing to deliver yet, it writes a start and says so', async () => {
  for (const files of [SHAPES.empty, SHAPES.code]) {
    const { environments, folder, stdout } = await made(files)
    assert.deepEqual(summary(environments), { production: { kind: 'manifests', paths: ['deploy'] } })
    assert.match(stdout, /^found nothing to deliver yet/)
    commitAll(folder)
    const check = await waybillHere(['check'], { cwd: folder })
    assertFails(check, 3, 'CHECK_FAILED')
    assert.match(check.stderr, /INPUT_MISSING/)
  }
})

test('of several things none is chosen: each is listed with the flag that means it', async () => {
  const folder = workingTree(SHAPES.several)
  const ran = await init(folder)
  assertFails(ran, 2, 'SOURCES_AMBIGUOUS')
  for (const line of [
    '--from apps/api/overlays (kustomize: prod)',
    '--from apps/web (helm: production)',
    '--from crds (manifests: production)',
    '--from rbac (manifests: production)',
  ])
    assert.ok(ran.stderr.includes(line), ran.stderr)
  assert.equal(existsSync(join(folder, 'waybill.yaml')), false)
})

test('--from chooses, and puts plain folders together', async () => {
  const of = async (...args: readonly string[]) => summary((await made(SHAPES.several, { args })).environments)
  assert.deepEqual(await of('--from', './apps/api/'), {
    prod: { kind: 'kustomize', path: 'apps/api/overlays/prod' },
  })
  assert.deepEqual(await of('--from', 'crds', '--from', 'rbac'), {
    production: { kind: 'manifests', paths: ['crds', 'rbac'] },
  })
  const tested = await made(SHAPES.mixed, { args: ['--from', 'test'] })
  assert.deepEqual(summary(tested.environments), { test: { kind: 'manifests', paths: ['test'] } })
  const folder = workingTree(SHAPES.several)
  assertFails(await init(folder, { args: ['--from', 'crds', '--from', 'apps/web'] }), 2, 'SOURCES_AMBIGUOUS')
  assertFails(await init(folder, { args: ['--from', 'nowhere'] }), 2, 'USAGE')
})

test('what is written passes check at once, as soon as it is committed, and reads as a person would write it', async () => {
  for (const files of [SHAPES.plain, SHAPES.environments]) {
    const { folder } = await made(files)
    commitAll(folder)
    const check = await waybillHere(['check'], { cwd: folder })
    assert.equal(check.status, 0, check.stderr)
  }
  const { folder, repository, source, name, kubernetesVersion, checks } = await made(SHAPES.plain)
  assert.deepEqual(
    { repository, source, name, checks },
    {
      repository: REPOSITORY,
      source: 'https://github.com/Acme/shop',
      name: 'shop',
      checks: { secrets: 'refuse', images: 'pinned' },
    },
  )
  assert.match(kubernetesVersion, /^1\.\d+$/)
  const text = readFileSync(join(folder, 'waybill.yaml'), 'utf8')
  assert.equal(text.split('\n').filter((line) => /^ *#/.test(line)).length > 5, true)
})

test('a password in the address of origin is not written down', async () => {
  const folder = workingTree(SHAPES.plain, 'https://ada:sesame-42@git.example.com/acme/shop.git')
  assert.equal((await init(folder)).status, 0)
  assert.doesNotMatch(readFileSync(join(folder, 'waybill.yaml'), 'utf8'), /sesame-42|ada:/)
  assert.equal(packageFileOf(folder).source, 'https://git.example.com/acme/shop')
})

test('nobody is asked: flags that are missing are named, all at once, with a proposal', async () => {
  const noOrigin = workingTree(SHAPES.plain, '')
  const bare = await waybillHere(['init'], { cwd: noOrigin })
  assertFails(bare, 2, 'USAGE')
  assert.match(bare.stderr, /--repository and --source needed/)
  const near = await waybillHere(['init', '--output', 'json'], { cwd: workingTree(SHAPES.plain) })
  assert.match(jsonError(near).hint, /waybill init --repository ghcr\.io\/acme\/shop$/)
  assertFails(await init(workingTree(SHAPES.plain, '/srv/git/shop.git')), 2, 'USAGE')
})

test('flags that waybill.yaml would not take are refused before anything is written', async () => {
  const folder = workingTree(SHAPES.plain)
  for (const args of [
    ['--name', 'Shop!'],
    ['--kubernetes', 'latest'],
    ['--kubernetes', '1.99'],
    ['--source', 'https://ada:x@git.example.com/a'],
  ])
    assertFails(await init(folder, { args }), 2, 'USAGE')
  assertFails(await waybillHere(['init', '--repository', 'shop'], { cwd: folder }), 2, 'REFERENCE_INVALID')
  assert.deepEqual(readdirSync(folder), ['.git', 'k8s'])
})

test('a name that YAML would take for something else is still that name', async () => {
  const folder = workingTree({ 'on/staging/a.yaml': SHAPES.plain['k8s/a.yaml'], 'on/1e3/a.yaml': 'a: 1\n' })
  assert.equal((await init(folder, { args: ['--name', 'on', '--source', '1.5'] })).status, 0)
  const { name, source } = packageFileOf(folder)
  assert.deepEqual({ name, source }, { name: 'on', source: '1.5' })
})

test('nothing is overwritten: whatever is there is named, and nothing else is written either', async () => {
  const key = join(tempFolder(), 'release.key')
  const policy = join(tempFolder(), 'policy.yaml')
  const args = ['--key', key, '--trust-policy', policy]
  const refused = async (folder: string, named: string) => {
    const ran = await init(folder, { args })
    assertFails(ran, 3, 'FILE_EXISTS')
    assert.ok(ran.stderr.includes(named), ran.stderr)
  }
  await refused(workingTree({ ...SHAPES.plain, 'waybill.yaml': 'mine' }), 'waybill.yaml')
  await refused(workingTree({ ...SHAPES.plain, 'waybill.yaml': { link: 'nowhere' } }), 'waybill.yaml')
  const folder = workingTree(SHAPES.plain)
  writeFiles(join(key, '..'), { 'release.key.pub': 'mine' })
  await refused(folder, `${key}.pub`)
  writeFiles(join(policy, '..'), { 'policy.yaml': 'mine' })
  await refused(folder, policy)
  assert.equal(existsSync(join(folder, 'waybill.yaml')), false)
  assert.equal(existsSync(key), false)
  assert.equal(readFileSync(policy, 'utf8'), 'mine')
})

test('a write that fails half-way takes back what was written before it', async () => {
  const folder = workingTree({ ...SHAPES.plain, blocked: 'a file' })
  const ran = await init(folder, { args: ['--key', join(tempFolder(), 'k'), '--trust-policy', 'blocked/policy.yaml'] })
  assertFails(ran, 1, 'DISK_FAILED')
  assert.equal(existsSync(join(folder, 'waybill.yaml')), false)
})

test('--key makes a pair that signs, for its owner alone and outside the repository, and a policy that trusts it', async () => {
  const config = tempFolder()
  const folder = workingTree(SHAPES.plain)
  const args = ['--key', '--trust-policy', 'policy.yaml']
  const ran = await init(folder, { args, env: { XDG_CONFIG_HOME: config } })
  assert.equal(ran.status, 0, ran.stderr)
  const key = join(config, 'waybill/shop.key')
  assert.equal(statSync(key).mode & 0o777, 0o600)
  assert.equal(statSync(join(config, 'waybill')).mode & 0o777, 0o700)
  const { publicKeyPem } = parseSigningKey(readFileSync(key, 'utf8'))
  assert.equal(readFileSync(`${key}.pub`, 'utf8'), publicKeyPem)
  const policy = parseDocument(readFileSync(join(folder, 'policy.yaml'), 'utf8'))
  assert.equal(policy.getIn(['spec', 'authorities', 0, 'key', 'pem']), publicKeyPem)
  assert.match(ran.stdout, /the private key: never commit it/)
})

test('a private key where Git would take it is refused, and one that Git ignores is not', async () => {
  const folder = workingTree({ ...SHAPES.plain, '.gitignore': '*.key\n' })
  assertFails(await init(folder, { args: ['--key', 'release.pem'] }), 3, 'KEY_EXPOSED')
  assertFails(await init(folder, { args: ['--key', '..release.pem'] }), 3, 'KEY_EXPOSED')
  writeFiles(folder, { 'inner/x': '' })
  const link = join(tempFolder(), 'link')
  writeFiles(join(link, '..'), { link: { link: join(folder, 'inner') } })
  assertFails(await init(folder, { args: ['--key', join(link, 'release.pem')] }), 3, 'KEY_EXPOSED')
  assert.equal(existsSync(join(folder, 'waybill.yaml')), false)
  assert.equal((await init(folder, { args: ['--key', 'release.key'] })).status, 0)
  assert.equal(git(folder, 'ls-files', '--others', '--exclude-standard').includes('release.key\n'), false)
})

test('--trust-policy without a key to trust is refused', async () => {
  assertFails(await init(workingTree(SHAPES.plain), { args: ['--trust-policy', 'p.yaml'] }), 2, 'USAGE')
})

test('--dry-run shows what would be written, but no private key, and writes nothing', async () => {
  const folder = workingTree(SHAPES.plain)
  const key = join(tempFolder(), 'k')
  for (const output of ['text', 'json']) {
    const ran = await init(folder, { args: ['--dry-run', '--key', key, '--output', output] })
    assert.equal(ran.status, 0, ran.stderr)
    assert.match(ran.stdout, /repository: ghcr\.io\/acme\/shop/)
    assert.doesNotMatch(ran.stdout, /PRIVATE/)
  }
  assert.deepEqual(readdirSync(folder), ['.git', 'k8s'])
  assert.equal(existsSync(key), false)
})

test('a tool that is not there is pinned to a version that Waybill knows, and a comment says so', async () => {
  const bare = tempFolder()
  writeFiles(bare, { git: `#!/bin/sh\nexec ${git(bare, '--exec-path')}/git "$@"\n` })
  chmodSync(join(bare, 'git'), 0o755)
  const { tools, folder } = await made(SHAPES.overlays, { env: { PATH: bare } })
  assert.deepEqual(tools, { kustomize: '5.8.2' })
  assert.match(readFileSync(join(folder, 'waybill.yaml'), 'utf8'), /kustomize was not found on this machine/)
})

test('from a folder inside, the file still stands at the root; outside a repository nothing is written', async () => {
  const folder = workingTree(SHAPES.plain)
  assert.equal((await init(join(folder, 'k8s'))).status, 0)
  assert.equal(existsSync(join(folder, 'waybill.yaml')), true)
  const none = tempFolder()
  assertFails(await init(none), 2, 'GIT_REPOSITORY')
  assert.deepEqual(readdirSync(none), [])
})
