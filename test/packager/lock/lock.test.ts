import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { digestOf } from '../../../contract/digest.ts'
import { hasCode, WaybillError } from '../../../contract/errors.ts'
import { createRegistryReader } from '../../../contract/registry/registry-client.ts'
import { type LockOptions, lock } from '../../../packager/lock/lock.ts'
import { checkCommit, packCommit, renderCommit } from '../../../packager/pack-commit.ts'
import { startFakeRegistry } from '../../fakes/registry.ts'
import { commitAll, git, optionsFor, packageFile, repositoryOf, tempFolder, writeFiles } from '../repository.ts'
import { deploymentOf, filesWith, imageIndex, lockText } from './lock-repository.ts'

/** A fake registry, and `lock` over it. */
async function settle(t: TestContext) {
  const registry = await startFakeRegistry()
  const reader = createRegistryReader({ plainHttp: true })
  t.after(() => Promise.all([registry.close(), reader.close()]))
  const push = (repository: string, tag: string, what: string) =>
    registry.putManifest(repository, imageIndex(what), { tag, mediaType: 'application/vnd.oci.image.index.v1+json' })
  const run = (repo: string, options: Partial<LockOptions> = {}) =>
    lock({ ...optionsFor(repo), update: { names: [] }, registry: reader, ...options })
  return { ...registry, image: (name: string) => `${registry.host}/${name}`, requests: registry.seen, push, run }
}

const lockOf = (repo: string) => readFileSync(join(repo, 'waybill.lock'), 'utf8')

async function imagesOf(repo: string): Promise<readonly string[]> {
  const { release } = await packCommit(optionsFor(repo))
  return release.environments.dev?.images ?? []
}

test('after lock and a commit, every object carries name, tag and digest, and check passes', async (t) => {
  const { push, image, run } = await settle(t)
  const digest = push('acme/api', '1.4', 'a')
  const repo = repositoryOf(filesWith(image('acme/api:1.4'), image('acme/api')))
  const latest = push('acme/api', 'latest', 'b')
  await assert.rejects(checkCommit(optionsFor(repo)), (error) => hasCode(error, 'CHECK_FAILED'))
  const locked = await run(repo)
  assert.deepEqual(
    locked.images.map(({ name, change, digest }) => ({ name, change, digest })),
    [
      { name: image('acme/api:1.4'), change: 'added', digest },
      { name: image('acme/api:latest'), change: 'added', digest: latest },
    ],
  )
  commitAll(repo)
  assert.deepEqual(await imagesOf(repo), [image(`acme/api:1.4@${digest}`), image(`acme/api@${latest}`)].sort())
})

test('a tag that moved moves nothing: no registry is asked about what is locked', async (t) => {
  const { push, image, run, requests } = await settle(t)
  push('acme/api', '1.4', 'a')
  const repo = repositoryOf(filesWith(image('acme/api:1.4')))
  await run(repo)
  const [before, asked] = [lockOf(repo), requests.length]
  push('acme/api', '1.4', 'moved')
  assert.equal((await run(repo)).changed, false)
  assert.equal(lockOf(repo), before)
  assert.equal(requests.length, asked)
})

test('--update resolves one image anew, by its repository or its full name, and leaves the others', async (t) => {
  const { push, image, run } = await settle(t)
  for (const name of ['acme/api', 'acme/web']) for (const tag of ['1', '2']) push(name, tag, `${name} ${tag}`)
  const all = ['acme/api:1', 'acme/api:2', 'acme/web:1'].map(image)
  const repo = repositoryOf(filesWith(...all))
  await run(repo)
  for (const name of ['acme/api', 'acme/web']) for (const tag of ['1', '2']) push(name, tag, `${name} ${tag} moved`)
  const updated = async (options: Partial<LockOptions>) =>
    (await run(repo, options)).images.filter(({ change }) => change === 'updated').map(({ name }) => name)
  assert.deepEqual(await updated({ update: { names: [image('acme/api:2')] } }), [image('acme/api:2')])
  assert.deepEqual(await updated({ update: { names: [image('acme/api')] } }), [image('acme/api:1')])
  assert.deepEqual(await updated({ update: { names: [], all: true } }), [image('acme/web:1')])
})

test('a name to update that no image has is refused, with those that there are', async (t) => {
  const { push, image, run } = await settle(t)
  push('acme/api', '1.4', 'a')
  const repo = repositoryOf(filesWith(image('acme/api:1.4')))
  await assert.rejects(run(repo, { update: { names: ['api'] } }), (error) => {
    assert.ok(hasCode(error, 'IMAGE_UNKNOWN'))
    assert.match(error.hint, new RegExp(image('acme/api:1.4')))
    return true
  })
  assert.equal(existsSync(join(repo, 'waybill.lock')), false)
})

test('entries that nothing uses are removed, and said to be', async (t) => {
  const { push, image, run } = await settle(t)
  const digest = push('acme/api', '1.4', 'a')
  const gone = image('acme/gone:1')
  const files = filesWith(image('acme/api:1.4'))
  const repo = repositoryOf({ ...files, 'waybill.lock': lockText({ [image('acme/api:1.4')]: digest, [gone]: digest }) })
  const { images } = await run(repo)
  assert.deepEqual(images[1], { name: gone, change: 'removed', previous: digest })
  assert.ok(!lockOf(repo).includes(gone))
})

test('what cannot be resolved is told all at once, and the file stays as it was', async (t) => {
  const { push, image, run, when } = await settle(t)
  push('acme/api', '1', 'a')
  const names = ['acme/api:1', 'acme/none:1', 'acme/private:1'].map(image)
  const repo = repositoryOf({
    ...filesWith(...names),
    'waybill.lock': lockText({}).replace('images:\n', 'images: []\n'),
  })
  when('HEAD', /private/).status(401)
  const before = lockOf(repo)
  await assert.rejects(run(repo), (error) => {
    assert.ok(error instanceof WaybillError)
    assert.deepEqual(
      error.faults.map(({ code }) => code),
      ['REGISTRY_NOT_FOUND', 'REGISTRY_AUTH'],
    )
    return true
  })
  assert.equal(lockOf(repo), before)
})

test('a registry that counts requests says when to come back', async (t) => {
  const { image, run, when } = await settle(t)
  when('HEAD', /acme/).status(429, { 'retry-after': '7' })
  await assert.rejects(run(repositoryOf(filesWith(image('acme/api:1')))), (error) => {
    assert.ok(hasCode(error, 'REGISTRY_RATE_LIMITED'))
    return error.retryAfterSeconds === 7
  })
})

test('a lock that is broken is refused by check beside all else that is wrong, and lock does not write over it', async (t) => {
  const { push, image, run } = await settle(t)
  const digest = push('acme/api', '1.4', 'a')
  const broken = lockText({ [image('acme/api:1.4')]: digest, [image('acme/web:1')]: '' })
  const repo = repositoryOf({
    ...filesWith(image('acme/api:1.4'), image('acme/other:1')),
    'waybill.lock': broken,
  })
  await assert.rejects(checkCommit(optionsFor(repo)), (error) => {
    assert.ok(error instanceof WaybillError)
    assert.deepEqual(
      error.faults.map(({ code, file, line }) => `${file}:${line} ${code}`),
      ['deploy/api.yaml:11 IMAGE_UNPINNED', 'waybill.lock:7 LOCK_INVALID'],
    )
    return true
  })
  await assert.rejects(renderCommit(optionsFor(repo)), (error) => hasCode(error, 'CHECK_FAILED'))
  await assert.rejects(run(repo), (error) => hasCode(error, 'LOCK_INVALID'))
  assert.equal(lockOf(repo), broken)
})

test('a lock that is a link is refused, whatever it leads to', async (t) => {
  const { push, image } = await settle(t)
  const digest = push('acme/api', '1.4', 'a')
  const repo = repositoryOf({
    ...filesWith(image('acme/api:1.4')),
    'other.lock': lockText({ [image('acme/api:1.4')]: digest }),
    'waybill.lock': { link: 'other.lock' },
  })
  await assert.rejects(checkCommit(optionsFor(repo)), (error) => {
    assert.ok(error instanceof WaybillError)
    return error.faults.some(({ code }) => code === 'LOCK_INVALID')
  })
})

test('only the commit’s own lock counts: one that is not committed changes no artifact', async (t) => {
  const { push, image, run } = await settle(t)
  push('acme/api', '1.4', 'a')
  const repo = repositoryOf({
    ...filesWith(image('acme/api:1.4')),
    'waybill.yaml': packageFile({ extra: '  checks: {images: any}\n' }),
  })
  const { digest } = await packCommit(optionsFor(repo))
  await run(repo)
  assert.equal((await packCommit(optionsFor(repo))).digest, digest)
  commitAll(repo)
  assert.deepEqual(await imagesOf(repo), [`${image('acme/api:1.4')}@${digestOf(imageIndex('a'))}`])
})

test('the same commit gives the same digest, wherever its tags point by now', async (t) => {
  const { push, image, run } = await settle(t)
  push('acme/api', '1.4', 'a')
  const repo = repositoryOf(filesWith(image('acme/api:1.4')))
  await run(repo)
  const sha = commitAll(repo)
  const { digest } = await packCommit(optionsFor(repo))
  push('acme/api', '1.4', 'moved')
  const clone = tempFolder()
  git(clone, 'clone', '-q', repo, '.')
  assert.equal((await packCommit(optionsFor(clone, { rev: sha }))).digest, digest)
})

test('lock reads the commit, says what is not committed, and locks that too through a stash commit', async (t) => {
  const { push, image, run } = await settle(t)
  push('acme/api', '1', 'a')
  push('acme/api', '2', 'b')
  const repo = repositoryOf(filesWith(image('acme/api:1')))
  writeFiles(repo, { 'deploy/api.yaml': deploymentOf(image('acme/api:2')), 'new.txt': '' })
  const first = await run(join(repo, 'deploy'))
  assert.deepEqual(
    first.images.map(({ name }) => name),
    [image('acme/api:1')],
  )
  assert.deepEqual(first.uncommitted, ['deploy/api.yaml', 'new.txt'])
  const second = await run(repo, { rev: git(repo, 'stash', 'create') })
  assert.deepEqual(
    second.images.map(({ name, change }) => `${change} ${name}`),
    [`removed ${image('acme/api:1')}`, `added ${image('acme/api:2')}`],
  )
  assert.deepEqual(second.uncommitted, ['new.txt'])
})

test('init containers, ephemeral ones, image volumes and pod templates of other kinds are locked as well', async (t) => {
  const { push, image, run } = await settle(t)
  const digest = push('acme/api', '1', 'a')
  const name = image('acme/api:1')
  const pod = `containers: [{name: a, image: "${name}"}]
      initContainers: [{name: b, image: "${name}"}]
      ephemeralContainers: [{name: c, image: "${name}"}]
      volumes: [{name: d, image: {reference: "${name}"}}]`
  const kinds = ['apps/v1 StatefulSet', 'apps/v1 DaemonSet', 'batch/v1 Job', 'example.com/v1 Rollout'].map((kind) => {
    const [apiVersion, name] = kind.split(' ')
    return `apiVersion: ${apiVersion}\nkind: ${name}\nmetadata: {name: x}\nspec:\n  template:\n    spec:\n      ${pod}\n`
  })
  const repo = repositoryOf({ ...filesWith(name), 'deploy/more.yaml': kinds.join('---\n') })
  await run(repo)
  commitAll(repo)
  const { rendered } = await renderCommit(optionsFor(repo))
  const text = JSON.stringify(rendered.environments.dev?.map(({ object }) => object))
  assert.equal(text.split(`${name}@${digest}"`).length - 1, 1 + kinds.length * 4)
  assert.equal(text.split(`${name}"`).length, 1)
})

test('images that have a digest are left alone, and asked about nowhere', async (t) => {
  const { image, run, requests } = await settle(t)
  const repo = repositoryOf(filesWith(`${image('acme/api:1')}@${digestOf('1')}`))
  assert.deepEqual((await run(repo)).images, [])
  assert.equal(requests.length, 0)
  assert.equal(existsSync(join(repo, 'waybill.lock')), false)
})

test('--check writes nothing, and refuses what is missing or unused without asking a registry', async (t) => {
  const { push, image, run, requests } = await settle(t)
  const digest = push('acme/api', '1', 'a')
  const repo = repositoryOf(filesWith(image('acme/api:1')))
  const stale = async (options: Partial<LockOptions> = {}) => {
    const error = await run(repo, { checkOnly: true, ...options }).then(
      () => undefined,
      (thrown: unknown) => thrown,
    )
    assert.ok(error === undefined || hasCode(error, 'LOCK_STALE'), `${error}`)
    return error?.faults.map(({ message }) => message.replace(image(''), ''))
  }
  assert.deepEqual(await stale(), ['acme/api:1: not locked'])
  writeFileSync(join(repo, 'waybill.lock'), lockText({ [image('acme/api:1')]: digest, [image('acme/old:1')]: digest }))
  assert.deepEqual(await stale(), ['acme/old:1: nothing uses it any more'])
  assert.equal(requests.length, 0)
  await run(repo)
  assert.equal(await stale(), undefined)
  const moved = push('acme/api', '1', 'moved')
  assert.equal(await stale(), undefined)
  assert.deepEqual(await stale({ update: { names: [], all: true } }), [`acme/api:1: the tag stands for ${moved} now`])
  assert.ok(!lockOf(repo).includes(moved))
})

test('an image that no runtime could pull is named with its place', async (t) => {
  const { run } = await settle(t)
  const repo = repositoryOf(filesWith('Not An Image'))
  await assert.rejects(run(repo), (error) => {
    assert.ok(error instanceof WaybillError)
    assert.deepEqual(
      error.faults.map(({ code, file, line }) => `${file}:${line} ${code}`),
      ['deploy/api.yaml:10 REFERENCE_INVALID'],
    )
    return true
  })
})

test('where tags may pass, what is no image does not keep the others from being locked', async (t) => {
  const { push, image, run } = await settle(t)
  push('acme/api', '1', 'a')
  const settings = packageFile({ extra: '  checks: {images: any}\n' })
  const repo = repositoryOf({ ...filesWith('$(IMAGE)', image('acme/api:1')), 'waybill.yaml': settings })
  assert.deepEqual(
    (await run(repo)).images.map(({ name }) => name),
    [image('acme/api:1')],
  )
})

test('a bare repository has no place for the file', async (t) => {
  const { run } = await settle(t)
  const bare = tempFolder()
  git(bare, 'clone', '-q', '--bare', repositoryOf(filesWith('a')), '.')
  await assert.rejects(run(bare), (error) => hasCode(error, 'GIT_REPOSITORY'))
  await assert.rejects(run(join(bare, 'nowhere')), (error) => hasCode(error, 'GIT_REPOSITORY'))
})
