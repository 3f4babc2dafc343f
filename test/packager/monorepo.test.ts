import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parseDigest } from '../../contract/digest.ts'
import { lock } from '../../packager/lock/lock.ts'
import { checkCommit, packCommit } from '../../packager/pack-commit.ts'
import { assertFails, waybillHere } from '../cli/command.ts'
import { settings, shopFiles } from '../cli/repository.ts'
import { commitAll, GIT_ENV, repositoryOf, tempFolder, writeFiles } from './repository.ts'

const API = under('packages/api', shopFiles('registry.example.com/acme/api'))
const WEB = under('packages/web', shopFiles('registry.example.com/acme/web'))
const options = (repo: string, path?: string) => ({
  repo,
  env: GIT_ENV,
  tempDir: tempFolder(),
  ...(path === undefined ? {} : { path }),
})

function under(folder: string, files: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(files).map(([path, text]) => [`${folder}/${path}`, text]))
}

test('each package of a monorepo is packed from its own folder, to what it is alone at the root of a repository', async () => {
  const many = repositoryOf({ ...API, ...WEB })
  for (const path of ['packages/api', './packages/api/'])
    assert.equal((await packCommit(options(many, path))).release.package.repository, 'registry.example.com/acme/api')
  const web = await packCommit(options(many, 'packages/web'))
  const alone = await packCommit(options(repositoryOf(shopFiles('registry.example.com/acme/web'))))
  assert.deepEqual(web.layer, alone.layer)
})

test('a package in a folder has its digest from the commit alone, wherever it is packed from', async () => {
  const repo = repositoryOf({ ...API, ...WEB })
  const args = ['pack', '--out', join(tempFolder(), 'packed'), '--output', 'json', '--path', 'packages/api']
  const digests = []
  for (const cwd of [repo, join(repo, 'packages/web')]) {
    const ran = await waybillHere(args, { cwd })
    assert.equal(ran.status, 0, ran.stderr)
    digests.push(JSON.parse(ran.stdout).digest)
  }
  assert.equal(digests[0], digests[1])
})

test('faults in a package of a monorepo are placed where the repository has them', async () => {
  const broken = settings('Hello').replace('ConfigMap', 'Secret')
  const repo = repositoryOf({ ...API, 'packages/api/deploy/settings.yaml': broken })
  await assert.rejects(checkCommit(options(repo, 'packages/api')), (error: { faults: { file: string }[] }) => {
    assert.ok(error.faults.some(({ file }) => file === 'packages/api/deploy/settings.yaml'))
    return true
  })
  const file = 'packages/api/waybill.yaml'
  writeFiles(repo, { [file]: `${API[file]}  more: 1\n` })
  commitAll(repo)
  await assert.rejects(checkCommit(options(repo, 'packages/api')), {
    code: 'PACKAGE_FILE_INVALID',
    message: /^packages\/api\/waybill\.yaml: one fault; line 11: /,
  })
  writeFiles(repo, { [file]: API[file] ?? '', 'packages/api/deploy/settings.yaml': '# nothing\n' })
  commitAll(repo)
  await assert.rejects(checkCommit(options(repo, 'packages/api')), (error: { faults: { file: string }[] }) => {
    assert.deepEqual(
      error.faults.map((fault) => fault.file),
      [file],
    )
    return true
  })
})

test('a package whose manifests stand beside its waybill.yaml is rendered without it', async () => {
  const { 'packages/api/waybill.yaml': text = '' } = API
  const repo = repositoryOf({
    'packages/api/waybill.yaml': text.replace('[deploy]', '[.]'),
    'packages/api/settings.yaml': settings('Hello'),
  })
  const { environments } = await checkCommit(options(repo, 'packages/api'))
  assert.deepEqual(
    environments.production?.map(({ kind }) => kind),
    ['ConfigMap'],
  )
})

test('without --path, the folders that hold a waybill.yaml are named', async () => {
  const ran = await waybillHere(['check', '--repo', repositoryOf({ ...API, ...WEB })])
  assertFails(ran, 2, 'PACKAGE_FILE_MISSING')
  assert.match(ran.stderr, /hint: .*packages\/api, packages\/web: name the folder with --path/)
  const nowhere = await waybillHere(['check', '--repo', repositoryOf(API), '--path', '../packages/api'])
  assertFails(nowhere, 2, 'PACKAGE_FILE_MISSING')
})

test('images are locked beside the waybill.yaml of their package', async () => {
  const digest = parseDigest(`sha256:${'0'.repeat(64)}`)
  const pod =
    'apiVersion: v1\nkind: Pod\nmetadata: { name: p }\nspec:\n  containers: [{ name: c, image: x.example.com/c:1 }]\n'
  const repo = repositoryOf({ ...API, ...WEB, 'packages/api/deploy/pod.yaml': pod })
  const registry = { resolveTag: async () => digest }
  const locked = await lock({ ...options(repo, 'packages/api'), update: { names: [], all: false }, registry })
  assert.equal(locked.file, join(repo, 'packages/api/waybill.lock'))
  assert.ok(!existsSync(join(repo, 'waybill.lock')))
  assert.match(readFileSync(locked.file, 'utf8'), /x\.example\.com\/c:1/)
  await assert.rejects(checkCommit(options(repo, 'packages/api')), { code: 'CHECK_FAILED' })
  commitAll(repo)
  assert.match(JSON.stringify((await checkCommit(options(repo, 'packages/api'))).environments), /c:1@sha256:0{64}/)
})
