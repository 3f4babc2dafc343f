import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, openSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { toWaybillError } from '../../cli/output.ts'
import { assertFails, assertNoStack, runCommand, WAYBILL, waybill, waybillHere } from './command.ts'
import { makeRepository, shopFiles } from './repository.ts'

const folder = mkdtempSync(join(tmpdir(), 'waybill-cli-'))
after(() => rmSync(folder, { recursive: true }))

test('a reader that goes away early is not an error', () => {
  const ran = spawnSync(
    'sh',
    ['-c', '"$NODE" "$WAYBILL" --help | true; "$NODE" "$WAYBILL" install --crds-only | head -c 10'],
    {
      env: { ...process.env, NODE: process.execPath, WAYBILL },
      encoding: 'utf8',
    },
  )
  assert.deepEqual([ran.stderr, ran.status], ['', 0])
})

test('output that does not fit on the disk is an error, not silence', { skip: !existsSync('/dev/full') }, async () => {
  for (const args of [['tenant', 'shop'], ['--help'], ['--version']]) {
    const ran = await waybill(args, { stdout: openSync('/dev/full', 'w') })
    assertFails(ran, 1, 'DISK_FULL')
  }
  const json = await waybill(['nope', '--output', 'json'], { stdout: openSync('/dev/full', 'w') })
  assert.equal(json.status, 2)
})

test('an unexpected fault is INTERNAL with its message, and its stack only on request', () => {
  const fault = new TypeError('x is not a function\n    at somewhere (file.ts:1:1)')
  const error = toWaybillError(fault)
  assert.deepEqual([error.code, error.message, error.exit], ['INTERNAL', 'x is not a function', 1])
})

test('WAYBILL_DEBUG=1 adds the stack on stderr', async () => {
  const plain = await waybillHere(['show', 'nowhere'])
  assertNoStack(plain)
  const debug = await waybill(['show', 'nowhere'], { env: { WAYBILL_DEBUG: '1' } })
  assert.match(debug.stderr, /\n\s+at /)
})

test('Ctrl-C ends a command the way the signal does', { timeout: 30_000 }, async (t) => {
  const silent = createServer()
  t.after(() => silent.close())
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
  const address = silent.address()
  assert.ok(typeof address === 'object' && address !== null)
  const asked = once(silent, 'connection')
  const child = spawn(process.execPath, [WAYBILL, 'show', `127.0.0.1:${address.port}/a/b:x`, '--plain-http'])
  const ended = once(child, 'exit')
  assert.equal(await Promise.race([asked.then(() => 'asked'), ended.then(() => 'ended')]), 'asked')
  child.kill('SIGINT')
  assert.deepEqual(await ended, [null, 'SIGINT'])
})

test('Ctrl-C while a commit is rendered leaves nothing behind', { timeout: 30_000 }, async () => {
  const repository = makeRepository(join(folder, 'shop'))
  const slow = shopFiles('registry.example.com/acme/shop')
    ['waybill.yaml']?.replace('{ manifests: [deploy] }', '{ kustomize: deploy }')
    .replace('  environments:', '  tools: { kustomize: 5.8.2 }\n  environments:')
  repository.commit({ 'waybill.yaml': slow ?? '', 'deploy/kustomization.yaml': 'resources: []\n' })
  const started = join(folder, 'started')
  const kustomize = join(folder, 'slow-kustomize')
  writeFileSync(kustomize, `#!/bin/sh\n: > ${started}\nexec /bin/sleep 3\n`, { mode: 0o755 })
  const temp = join(folder, 'temp')
  mkdirSync(temp)
  const env = { ...process.env, TMPDIR: temp, WAYBILL_KUSTOMIZE: kustomize }
  const child = spawn(process.execPath, [WAYBILL, 'check', '--repo', repository.folder], { env })
  const ended = once(child, 'exit')
  while (!existsSync(started)) await new Promise((resolve) => setTimeout(resolve, 50))
  assert.equal(readdirSync(temp).length, 1)
  child.kill('SIGINT')
  assert.deepEqual(await ended, [null, 'SIGINT'])
  assert.deepEqual(readdirSync(temp), [])
})

/** A program that says it is an older Node to waybill.js: it sets process.versions.node and runs the file. */
function olderNode(): string {
  const preload = join(folder, 'older.cjs')
  writeFileSync(preload, `Object.defineProperty(process.versions, 'node', { value: '20.11.0' })\n`)
  return preload
}

test('an older Node starts the Node that npm installed, and passes arguments and the exit status on', async () => {
  const ran = await runCommand(process.execPath, ['--require', olderNode(), WAYBILL, 'nope'])
  const name = `node-${process.platform}-${process.arch}`
  if (!existsSync(join(WAYBILL, '../../node_modules', name))) return assert.match(ran.stderr, /needs Node/)
  assertFails(ran, 2, 'USAGE')
})

test('an older Node with no other beside it says what is needed', async () => {
  const alone = join(folder, 'alone/cli')
  mkdirSync(alone, { recursive: true })
  copyFileSync(WAYBILL, join(alone, 'waybill.js'))
  copyFileSync(join(WAYBILL, '../../package.json'), join(folder, 'alone/package.json'))
  const ran = await runCommand(process.execPath, ['--require', olderNode(), join(alone, 'waybill.js'), 'get'])
  assert.equal(ran.status, 1)
  assert.match(ran.stderr, /^error: waybill needs Node \d+\.\d+ or newer; this is Node 20\.11\.0\.\nhint: .+\n$/)
  assertNoStack(ran)
})

test('a key file that is not there is told by its name, and one that is no key without what it holds', async () => {
  const args = ['promote', 'example.com/a/b:1.0.0', '--to', 'production', '--key']
  assertFails(await waybillHere([...args, 'nowhere.pem']), 2, 'FILE_UNREADABLE')
  const file = join(folder, 'secret.pem')
  writeFileSync(file, 'hunter2-the-secret')
  const ran = await waybillHere([...args, file])
  assertFails(ran, 2, 'KEY_INVALID')
  assert.doesNotMatch(ran.stderr, /hunter2/)
})

test('a policy that is no TrustPolicy is refused with every fault', async () => {
  const file = join(folder, 'policy.yaml')
  writeFileSync(
    file,
    'apiVersion: waybill.dev/v1alpha1\nkind: TrustPolicy\nmetadata: {name: p}\nspec: {repositories: []}\n',
  )
  assertFails(await waybillHere(['verify', 'example.com/a/b:x', '--policy', file]), 3, 'POLICY_INVALID')
  writeFileSync(file, 'kind: [')
  assertFails(await waybillHere(['verify', 'example.com/a/b:x', '--policy', file]), 3, 'POLICY_INVALID')
})

test('files that a registry needs are looked at before it is asked', async () => {
  const empty = join(folder, 'no.pem')
  writeFileSync(empty, 'hunter2')
  const broken = join(folder, 'broken.pem')
  writeFileSync(broken, '-----BEGIN CERTIFICATE-----\naHVudGVyMg==\n-----END CERTIFICATE-----\n')
  for (const [flags, says] of [
    [['--ca-file', empty], /no\.pem: it holds no certificate\n/],
    [['--ca-file', broken], /broken\.pem: it holds a certificate that cannot be read\n/],
    [['--registry-config', join(folder, 'nowhere.json')], /nowhere\.json: there is no such file/],
  ] as const) {
    const ran = await waybillHere(['show', '127.0.0.1:9/a/b:x', '--plain-http', ...flags])
    assertFails(ran, 2, 'FILE_UNREADABLE')
    assert.match(ran.stderr, says)
    assert.doesNotMatch(ran.stderr, /hunter2/)
  }
})

test('a registry that does not answer is named', async () => {
  const ran = await waybillHere(['show', '127.0.0.1:9/a/b:x', '--plain-http'])
  assertFails(ran, 1, 'REGISTRY_UNREACHABLE')
})

test('a kubeconfig that is not there is wrong usage, an API server that does not answer is not, and the log of a puller says first whom it asks', async () => {
  assertFails(await waybillHere(['get', '--kubeconfig', '/nonexistent/config']), 2, 'CLUSTER_CONFIG')
  const file = join(folder, 'kubeconfig')
  writeFileSync(
    file,
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'c', cluster: { server: 'https://127.0.0.1:9' } }],
      users: [{ name: 'u', user: { token: 'hunter2-token' } }],
      contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
      'current-context': 'x',
    }),
  )
  const ran = await waybillHere(['get', '--kubeconfig', file])
  assertFails(ran, 1, 'CLUSTER_UNREACHABLE')
  assert.doesNotMatch(`${ran.stderr}${ran.stdout}`, /hunter2/)
  const puller = await waybill(['puller', '--kubeconfig', file, '--cache-dir', folder])
  assert.equal(puller.status, 1)
  assert.match(puller.stderr, /"server":"https:\/\/127\.0\.0\.1:9"[\s\S]*error CLUSTER_UNREACHABLE[\s\S]*--egress-port/)
})
