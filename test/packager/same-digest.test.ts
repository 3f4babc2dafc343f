import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { packCommit } from '../../packager/pack-commit.ts'
import {
  CONFIG_MAP,
  commitAll,
  DEPLOYMENT,
  GIT_ENV,
  git,
  optionsFor,
  packageFile,
  repositoryOf,
  tempFolder,
  writeFiles,
} from './repository.ts'

/** Written down: when it changes, the format has changed, and its media type is to be changed with it (docs/FORMAT.md). */
const GOLDEN = 'sha256:88a83e8b2d93e6987a2ceb280480c6be11ee07506c6abd500dea4d86cc76e6b0'

const PACK_COMMIT = new URL('../../packager/pack-commit.ts', import.meta.url).href

const FILES = {
  'waybill.yaml': packageFile(),
  'deploy/api.yaml': DEPLOYMENT,
  'deploy/config.yaml': `${CONFIG_MAP}  crlf: "a\\r\\nb"\n  id: $Id$\n  format: $Format:%H$\n`,
  '.gitattributes': '*.yaml text eol=crlf ident export-subst filter=shout\ndeploy/api.yaml export-ignore\n',
}

const origin = repositoryOf(FILES)
git(origin, 'tag', 'v1.0.0')

async function digestOf(repo: string, rev?: string): Promise<string> {
  return (await packCommit(optionsFor(repo, rev === undefined ? {} : { rev }))).digest
}

function clone(...args: readonly string[]): string {
  const folder = join(tempFolder(), 'clone')
  git(tempFolder(), 'clone', '-q', ...args, pathToFileURL(origin).href, folder)
  return folder
}

test('a commit packs to the digest that is written here', async () => {
  assert.equal(await digestOf(origin), GOLDEN)
})

test('another clone, a shallow one, a bare one and one with another remote give the same digest', async () => {
  const remote = clone()
  git(remote, 'remote', 'set-url', 'origin', 'git@git.example.com:acme/shop.git')
  for (const repo of [clone(), clone('--depth=1'), clone('--bare'), clone('--no-checkout'), remote])
    assert.equal(await digestOf(repo), GOLDEN)
  git(remote, 'remote', 'set-url', 'origin', 'https://user:secret@git.example.com/acme/shop')
  assert.equal(await digestOf(remote), GOLDEN)
})

test('a clone without blobs, a sparse one, a worktree and one with settings of its own give the same digest', async () => {
  git(origin, 'config', 'uploadpack.allowFilter', 'true')
  const partial = clone('--filter=blob:none', '--no-checkout')
  const sparse = clone('--sparse')
  const worktree = join(tempFolder(), 'worktree')
  git(clone(), 'worktree', 'add', '-q', '--detach', worktree)
  const settled = clone()
  for (const setting of ['autocrlf true', 'eol crlf', 'safecrlf true', 'fileMode false', 'symlinks false', 'bare true'])
    git(settled, 'config', ...`core.${setting}`.split(' '))
  for (const repo of [partial, sparse, worktree, settled]) assert.equal(await digestOf(repo), GOLDEN)
})

test('a branch, a tag, a full name, an abbreviation and a detached head give the same digest', async () => {
  const repo = clone()
  const sha = git(repo, 'rev-parse', 'HEAD')
  git(repo, 'checkout', '-q', '-b', 'other')
  for (const rev of ['main', 'other', 'v1.0.0', 'refs/tags/v1.0.0', sha, sha.slice(0, 9), 'HEAD'])
    assert.equal(await digestOf(repo, rev), GOLDEN)
  git(repo, 'checkout', '-q', '--detach', sha)
  assert.equal(await digestOf(repo), GOLDEN)
})

test('an annotated tag that signs off later gives the same digest', async () => {
  const repo = clone()
  git(repo, 'tag', '-a', '-m', 'Released', 'v2.0.0')
  assert.equal(await digestOf(repo, 'v2.0.0'), GOLDEN)
})

test('the working tree and the index have no say', async () => {
  const repo = clone()
  writeFiles(repo, { 'deploy/config.yaml': 'spoilt', 'deploy/new.yaml': CONFIG_MAP })
  git(repo, 'add', 'deploy/new.yaml')
  assert.equal(await digestOf(repo), GOLDEN)
})

test('a folder inside the repository will do', async () => {
  assert.equal(await digestOf(join(clone(), 'deploy')), GOLDEN)
})

test('settings of the user, filters, hooks, replaced objects and the environment have no say', async () => {
  const repo = clone()
  const home = tempFolder()
  const settings =
    '[core]\n\tautocrlf = true\n\teol = crlf\n[filter "shout"]\n\tsmudge = tr a-z A-Z\n\tclean = cat\n\trequired = true\n[tag]\n\tsort = -refname\n[i18n]\n\tlogOutputEncoding = latin1\n'
  writeFileSync(join(home, '.gitconfig'), settings)
  mkdirSync(join(repo, '.git/hooks'), { recursive: true })
  writeFileSync(join(repo, '.git/hooks/post-checkout'), '#!/bin/sh\nexit 1\n', { mode: 0o755 })
  const other = repositoryOf({ 'waybill.yaml': 'another' })
  git(repo, 'fetch', '-q', other, 'main')
  git(repo, 'replace', 'HEAD', 'FETCH_HEAD')
  const env = {
    PATH: process.env.PATH,
    HOME: home,
    GIT_DIR: join(other, '.git'),
    GIT_WORK_TREE: other,
    GIT_INDEX_FILE: '/nonexistent',
  }
  assert.equal((await packCommit(optionsFor(repo, { env }))).digest, GOLDEN)
})

test('umask, time zone, locale, time of day and folder have no say', () => {
  const script = `
    const { packCommit } = await import(${JSON.stringify(PACK_COMMIT)})
    process.umask(0o077)
    Date.now = () => 4e12
    console.log((await packCommit({ repo: '.', env: process.env, tempDir: process.argv[1] })).digest)`
  for (const settings of [
    { TZ: 'Pacific/Kiritimati', LC_ALL: 'tr_TR.UTF-8' },
    { TZ: 'America/St_Johns', LANG: 'de_DE.UTF-8' },
  ]) {
    const env = { ...GIT_ENV, ...settings }
    const output = execFileSync(process.execPath, ['--input-type=module', '-e', script, tempFolder()], {
      cwd: clone(),
      env,
      encoding: 'utf8',
    })
    assert.equal(output.trim(), GOLDEN)
  }
})

const nobody = 65_534
/** Only root may become somebody else, who must be able to read Node and this checkout. */
function whyNotNobody(): string | false {
  if (process.getuid?.() !== 0) return 'only root can become another user'
  const script = `await import(${JSON.stringify(PACK_COMMIT)})`
  const ran = spawnSync(process.execPath, ['--input-type=module', '-e', script], { uid: nobody, gid: nobody, cwd: '/' })
  return ran.status === 0 ? false : 'another user cannot read this checkout'
}

test('another user, with a home and an umask of their own, packs the same digest', { skip: whyNotNobody() }, () => {
  const folder = tempFolder()
  git(folder, 'clone', '-q', pathToFileURL(origin).href, 'theirs')
  execFileSync('chown', ['-R', `${nobody}:${nobody}`, folder])
  const script = `
    const { packCommit } = await import(${JSON.stringify(PACK_COMMIT)})
    process.umask(0o007)
    console.log(process.getuid(), (await packCommit({ repo: 'theirs', env: process.env, tempDir: '.' })).digest)`
  const output = execFileSync(process.execPath, ['--input-type=module', '-e', script], {
    ...{ cwd: folder, uid: nobody, gid: nobody, encoding: 'utf8' },
    env: { PATH: process.env.PATH, HOME: folder },
  })
  assert.equal(output.trim(), `${nobody} ${GOLDEN}`)
})

test('another commit with the same content has another digest, and the same trees', async () => {
  const repo = clone()
  const before = await packCommit(optionsFor(repo))
  commitAll(repo, 'Nothing new')
  const after = await packCommit(optionsFor(repo))
  assert.notEqual(after.digest, before.digest)
  assert.equal(after.environments.dev?.treeDigest, before.environments.dev?.treeDigest)
})

test('what the commit holds is packed byte for byte, whatever .gitattributes asks for', async () => {
  const { release } = await packCommit(optionsFor(origin))
  const plain = repositoryOf({ ...FILES, '.gitattributes': '' })
  assert.deepEqual((await packCommit(optionsFor(plain))).release.environments, release.environments)
})
