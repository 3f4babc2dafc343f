import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { digestOf } from '../../contract/digest.ts'
import { makeKey } from '../fakes/keys.ts'
import { type Registry, startRegistry } from '../real/registry.ts'
import { useTools } from '../real/tools.ts'
import { waybillHere } from './command.ts'
import { makeRepository, type Repository, shopFiles } from './repository.ts'

/** A repository of code and manifests, whose pipeline runs for each commit, its own commits included. */
const folder = mkdtempSync(join(tmpdir(), 'waybill-if-changed-'))
let registry: Registry
let repository: Repository
const keyFile = join(folder, 'release.pem')

before(async () => {
  await useTools('oras')
  registry = await startRegistry({ kind: 'distribution' })
  writeFileSync(keyFile, makeKey().pem)
  repository = makeRepository(join(folder, 'shop'))
  repository.commit({
    ...shopFiles(`${registry.host}/acme/shop`),
    'src/main.c': 'int main() { return 0; }\n',
    'deployed.txt': '',
  })
})
after(async () => {
  await registry?.stop()
  rmSync(folder, { recursive: true })
})

const publish = async (...args: readonly string[]) => {
  const given = ['--repo', repository.folder, '--key', keyFile, '--plain-http', '--output', 'json']
  const ran = await waybillHere(['publish', ...given, '--channel', 'staging', '--if-changed', ...args])
  assert.equal(ran.status, 0, ran.stderr + ran.stdout)
  return JSON.parse(ran.stdout)
}
const read = (file: string) => readFileSync(join(repository.folder, file), 'utf8')
const git = (...args: readonly string[]) =>
  execFileSync('git', args, { cwd: repository.folder, encoding: 'utf8' }).trim()

/** One run: builds the code's image and writes its digest into the manifests; publishes; writes down what was. Each is committed. */
async function pipeline(): Promise<boolean> {
  const image = `${registry.host}/acme/api@${digestOf(read('src/main.c'))}`
  const pod = `apiVersion: v1\nkind: Pod\nmetadata: { name: api }\nspec: { containers: [{ name: api, image: "${image}" }] }\n`
  commitIfNew({ 'deploy/pod.yaml': pod })
  const { reference, changed } = await publish()
  commitIfNew({ 'deployed.txt': `${reference}\n` })
  return changed
}

function commitIfNew(files: Readonly<Record<string, string>>): void {
  for (const [file, text] of Object.entries(files)) writeFileSync(join(repository.folder, file), text)
  if (git('status', '--porcelain') !== '') repository.commit(files)
}

/** Runs the pipeline for each commit that it makes, as a CI does; what each run published. */
async function untilQuiet(): Promise<readonly boolean[]> {
  const runs: boolean[] = []
  for (let head = ''; head !== git('rev-parse', 'HEAD'); ) {
    assert.ok(runs.length < 5, 'the pipeline sets itself off for ever')
    head = git('rev-parse', 'HEAD')
    runs.push(await pipeline())
  }
  return runs
}

test('a pipeline that commits to its own repository comes to rest after one release', async () => {
  assert.deepEqual(await untilQuiet(), [true, false])
  const before = read('deployed.txt')
  repository.commit({ 'README.md': 'The shop\n' })
  assert.deepEqual(await untilQuiet(), [false])
  assert.equal(read('deployed.txt'), before)
  repository.commit({ 'src/main.c': 'int main() { return 1; }\n' })
  assert.deepEqual(await untilQuiet(), [true, false])
  assert.notEqual(read('deployed.txt'), before)
})

test('what is printed names the release that is there, and the commit that brings nothing new', async () => {
  const standing = read('deployed.txt').trim()
  const sha = repository.commit({ 'README.md': 'The shop, again\n' })
  const { reference, changed, unchangedAt, revision } = await publish()
  assert.deepEqual([reference, changed, unchangedAt], [standing, false, `sha1:${sha}`])
  assert.notEqual(revision, `sha1:${sha}`)
})

test('a version that is asked for is published, though nothing else changed', async () => {
  const sha = repository.commit({ 'README.md': 'The shop, 1.0.0\n' })
  const { version, changed, revision } = await publish('--version', '1.0.0')
  assert.deepEqual([version, changed, revision], ['1.0.0', true, `sha1:${sha}`])
})
