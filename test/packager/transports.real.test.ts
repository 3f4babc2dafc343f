import assert from 'node:assert/strict'
import { execFile, execFileSync, spawn } from 'node:child_process'
import { chmodSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { readLayer } from '../../contract/artifact/layer.ts'
import { canonicalJson } from '../../contract/canonical-json.ts'
import { packCommit } from '../../packager/pack-commit.ts'
import { readYaml } from '../../packager/yaml/yaml.ts'
import { ensureTools } from '../../tools/build.ts'
import { GIT_ENV, git, optionsFor, repositoryFrom, tempFolder } from './repository.ts'

const { kustomize, helm } = await ensureTools(['kustomize', 'helm'])
const env = { PATH: process.env.PATH, WAYBILL_KUSTOMIZE: kustomize, WAYBILL_HELM: helm }
const origin = repositoryFrom(fileURLToPath(new URL('../../examples/shop', import.meta.url)))
git(origin, 'commit', '-q', '--allow-empty', '-m', 'Second')
git(origin, 'tag', 'v1.0.0')
const { digest } = await packCommit(optionsFor(origin, { env }))

test('a clone over ssh, full or shallow, gives the same digest', async () => {
  const ssh = join(tempFolder(), 'ssh')
  // What sshd does with it: runs the command that stands last.
  writeFileSync(ssh, '#!/bin/sh\nfor last; do :; done\nexec sh -c "$last"\n')
  chmodSync(ssh, 0o755)
  for (const depth of [[], ['--depth=1']]) {
    const folder = join(tempFolder(), 'clone')
    const args = ['clone', '-q', ...depth, `git@git.example.com:${origin}`, folder]
    execFileSync('git', args, { env: { ...GIT_ENV, GIT_SSH: ssh, GIT_SSH_VARIANT: 'ssh' }, stdio: 'pipe' })
    assert.equal((await packCommit(optionsFor(folder, { env }))).digest, digest)
  }
})

test('a clone over http, full, shallow or of one tag, gives the same digest', async () => {
  const server = createServer(answerGit)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  assert.ok(address !== null && typeof address === 'object')
  try {
    for (const options of [
      [],
      ['--depth=1'],
      ['--depth=1', '--branch=v1.0.0'],
      ['--filter=blob:none', '--no-checkout'],
    ]) {
      const folder = join(tempFolder(), 'clone')
      const args = ['clone', '-q', ...options, `http://127.0.0.1:${address.port}/`, folder]
      await promisify(execFile)('git', ['-c', 'advice.detachedHead=false', ...args], {
        env: { ...GIT_ENV, NO_PROXY: '*' },
      })
      assert.equal(
        (await packCommit(optionsFor(folder, { env: { ...env, NO_PROXY: '*' } }))).digest,
        digest,
        options.join(' '),
      )
    }
  } finally {
    server.close()
  }
})

/** CGI, as git-http-backend(1) wants it. */
function answerGit(request: IncomingMessage, response: ServerResponse): void {
  const url = new URL(String(request.url), 'http://localhost')
  const backend = spawn('git', ['http-backend'], {
    env: {
      ...GIT_ENV,
      GIT_PROJECT_ROOT: join(origin, '.git'),
      GIT_HTTP_EXPORT_ALL: '1',
      GIT_CONFIG_COUNT: '2',
      GIT_CONFIG_KEY_0: 'uploadpack.allowFilter',
      GIT_CONFIG_VALUE_0: 'true',
      GIT_CONFIG_KEY_1: 'uploadpack.allowAnySHA1InWant',
      GIT_CONFIG_VALUE_1: 'true',
      GIT_PROTOCOL: String(request.headers['git-protocol'] ?? ''),
      PATH_INFO: url.pathname,
      QUERY_STRING: url.search.slice(1),
      REQUEST_METHOD: String(request.method),
      CONTENT_TYPE: String(request.headers['content-type'] ?? ''),
      HTTP_CONTENT_ENCODING: String(request.headers['content-encoding'] ?? ''),
    },
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  request.pipe(backend.stdin)
  const chunks: Buffer[] = []
  backend.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
  backend.on('close', () => {
    const output = Buffer.concat(chunks)
    const end = output.indexOf('\r\n\r\n')
    for (const line of output.subarray(0, end).toString().split('\r\n')) {
      const colon = line.indexOf(':')
      if (line.startsWith('Status:')) response.statusCode = Number(line.slice(8, 11))
      else response.setHeader(line.slice(0, colon), line.slice(colon + 1).trim())
    }
    response.end(output.subarray(end + 4))
  })
}

test('tar unpacks the layer, and kustomize reads from each folder what the puller reads', async () => {
  const packed = await packCommit(optionsFor(origin, { env }))
  const folder = tempFolder()
  mkdirSync(join(folder, 'out'))
  writeFileSync(join(folder, 'shop.tar.gz'), packed.layer)
  execFileSync('tar', ['xzf', join(folder, 'shop.tar.gz'), '-C', join(folder, 'out')])
  assert.deepEqual(readdirSync(join(folder, 'out')).sort(), ['dev', 'production', 'staging'])
  for (const name of Object.keys(packed.environments)) {
    const output = execFileSync(kustomize, ['build', join(folder, 'out', name)])
    const theirs = readYaml('output', output).documents.map(({ value }) => canonicalJson(value))
    const ours = (await readLayer(packed.layer, packed.release, name)).map(({ object }) => canonicalJson(object))
    assert.deepEqual(theirs.sort(), ours.sort())
  }
})

test('an environment’s tree digest is what the shell command of docs/FORMAT.md gives', async () => {
  const packed = await packCommit(optionsFor(origin, { env }))
  const folder = tempFolder()
  writeFileSync(join(folder, 'shop.tar.gz'), packed.layer)
  const command =
    "tar xzf shop.tar.gz && cd production && find * -name '*.json' | LC_ALL=C sort | xargs -d '\\n' sha256sum | sha256sum"
  const [hex] = execFileSync('sh', ['-c', command], { cwd: folder, encoding: 'utf8' }).split(' ')
  assert.equal(`sha256:${hex}`, packed.environments.production?.treeDigest)
})
