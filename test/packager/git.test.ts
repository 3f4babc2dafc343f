import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { type ErrorCode, hasCode } from '../../contract/errors.ts'
import { type Checkout, withCheckout } from '../../packager/checkout.ts'
import { resolveCommit } from '../../packager/git.ts'
import { commitAll, GIT_ENV, git, repositoryOf, tempFolder, writeFiles } from './repository.ts'

async function refused(
  code: ErrorCode,
  repo: string,
  rev?: string,
  env: Record<string, string | undefined> = GIT_ENV,
): Promise<void> {
  await assert.rejects(resolveCommit(repo, rev, env), (error) => {
    assert.ok(hasCode(error, code), `${error}`)
    return true
  })
}

test('a commit is known by its sha, its time in UTC, its tags, its branch and where it came from', async () => {
  const repo = repositoryOf({ a: 'a' })
  for (const tag of ['v1.0.0', 'v1.0.0-rc.1', 'zeta']) git(repo, 'tag', tag)
  git(repo, 'remote', 'add', 'origin', 'https://ada:hunter2@git.example.com/shop.git')
  const commit = await resolveCommit(repo, undefined, GIT_ENV)
  assert.equal(commit.revision, `sha1:${git(repo, 'rev-parse', 'HEAD')}`)
  assert.equal(commit.committedAt, '2026-11-21T10:00:00Z')
  assert.deepEqual(commit.tags, ['v1.0.0', 'v1.0.0-rc.1', 'zeta'])
  assert.equal(commit.ref, 'refs/heads/main')
  assert.equal(commit.origin, 'https://git.example.com/shop.git')
  assert.equal((await resolveCommit(repo, 'v1.0.0', GIT_ENV)).ref, 'refs/tags/v1.0.0')
})

test('a detached head has no branch', async () => {
  const repo = repositoryOf({ a: 'a' })
  git(repo, 'checkout', '-q', '--detach')
  assert.equal((await resolveCommit(repo, undefined, GIT_ENV)).ref, undefined)
})

test('a repository in the newer object format works', async () => {
  const repo = tempFolder()
  git(repo, 'init', '-q', '-b', 'main', '--object-format=sha256')
  writeFiles(repo, { a: 'content' })
  const sha = commitAll(repo)
  const commit = await resolveCommit(repo, undefined, GIT_ENV)
  assert.equal(commit.revision, `sha256:${sha}`)
  await checkout(repo, ({ root }) => assert.equal(readFileSync(join(root, 'a'), 'utf8'), 'content'))
})

test('a folder that is missing, or no repository, is refused', async () => {
  await refused('GIT_REPOSITORY', '/nonexistent')
  await refused('GIT_REPOSITORY', import.meta.filename)
  await refused('GIT_REPOSITORY', tempFolder())
})

test('a repository without a commit is refused as empty', async () => {
  const repo = tempFolder()
  git(repo, 'init', '-q')
  await refused('GIT_EMPTY', repo)
})

test('a revision that is unknown, no commit, or an option is refused', async () => {
  const repo = repositoryOf({ a: 'a' })
  for (const rev of ['nope', '--all', '-h', 'HEAD~1', 'HEAD:a', '', 'a b', '--output=/tmp/x'])
    await refused('GIT_REVISION', repo, rev)
})

test('a machine without Git is told so', async () => {
  await refused('TOOL_MISSING', repositoryOf({ a: 'a' }), undefined, { PATH: tempFolder() })
})

async function checkout(repo: string, use: (checkout: Checkout) => void): Promise<void> {
  const commit = await resolveCommit(repo, undefined, GIT_ENV)
  let root = ''
  await withCheckout(commit, { parentDir: tmpdir(), env: GIT_ENV }, async (made) => {
    root = made.root
    use(made)
  })
  assert.equal(existsSync(root), false)
}

test('a checkout holds the commit byte for byte, and is gone afterwards', async () => {
  const binary = Uint8Array.from({ length: 256 }, (_, i) => i)
  const files = { 'a/b c/ü.txt': 'x\r\ny\n', binary, empty: '', '.gitattributes': '* text eol=lf\n' }
  await checkout(repositoryOf(files), ({ root }) => {
    assert.equal(readFileSync(join(root, 'a/b c/ü.txt'), 'utf8'), 'x\ny\n')
    assert.deepEqual(new Uint8Array(readFileSync(join(root, 'binary'))), binary)
    assert.equal(readFileSync(join(root, 'empty'), 'utf8'), '')
    assert.deepEqual(readdirSync(root).sort(), ['.gitattributes', 'a', 'binary', 'empty'])
  })
})

test('links inside the repository are there; links that lead out or nowhere are not, and say why', async () => {
  const files = {
    'a/file': 'inside',
    'a/near': { link: 'file' },
    folder: { link: 'a' },
    absolute: { link: '/etc/passwd' },
    up: { link: '../../etc/passwd' },
    gone: { link: 'missing' },
    loop: { link: 'loop' },
    'p/q/root': { link: '../..' },
    'p/q/sly': { link: 'root/../../../../../../etc/passwd' },
  }
  await checkout(repositoryOf(files), ({ root, unusable }) => {
    assert.equal(readFileSync(join(root, 'a/near'), 'utf8'), 'inside')
    assert.equal(readFileSync(join(root, 'folder/file'), 'utf8'), 'inside')
    assert.deepEqual([...unusable.keys()].sort(), ['absolute', 'gone', 'loop', 'p/q/sly', 'up'])
    assert.match(String(unusable.get('absolute')), /leads out/)
    assert.match(String(unusable.get('up')), /leads out/)
    assert.match(String(unusable.get('p/q/sly')), /leads/)
    for (const path of unusable.keys()) assert.equal(existsSync(join(root, path)), false)
  })
})

test('a submodule is left out and named', async () => {
  const repo = repositoryOf({ a: 'a' })
  git(repo, 'update-index', '--add', '--cacheinfo', `160000,${'1'.repeat(40)},vendor/lib`)
  git(repo, 'commit', '-q', '-m', 'Add a submodule')
  await checkout(repo, ({ unusable }) => assert.match(String(unusable.get('vendor/lib')), /submodule/))
})

test('a tree that no honest Git makes is refused before anything is written', async () => {
  const repo = repositoryOf({ a: 'a' })
  const blob = git(repo, 'rev-parse', 'HEAD:a')
  const entry = (mode: string, name: string, oid: string) =>
    Buffer.concat([Buffer.from(`${mode} ${name}\0`), Buffer.from(oid, 'hex')])
  const { execFileSync } = await import('node:child_process')
  const hash = (type: string, content: Buffer) =>
    execFileSync('git', ['hash-object', '-t', type, '--literally', '-w', '--stdin'], {
      cwd: repo,
      env: GIT_ENV,
      input: content,
      encoding: 'utf8',
    }).trim()
  const inner = hash('tree', entry('100644', 'b', blob))
  for (const tree of [
    entry('100644', '..', blob),
    entry('40000', '.git', inner),
    Buffer.concat([entry('120000', 'a', blob), entry('40000', 'a', inner)]),
  ]) {
    const commit = git(repo, 'commit-tree', '-m', 'evil', hash('tree', tree))
    const resolved = await resolveCommit(repo, commit, GIT_ENV)
    await assert.rejects(
      withCheckout(resolved, { parentDir: tmpdir(), env: GIT_ENV }, async () => {}),
      (error) => hasCode(error, 'GIT_FAILED'),
    )
  }
})
