import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { Agent, createServer, request } from 'node:http'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { parseDigest } from '../../../contract/digest.ts'
import { hasCode } from '../../../contract/errors.ts'
import { parseRepository } from '../../../contract/reference.ts'
import { createRegistryReader } from '../../../contract/registry/registry-client.ts'
import { evaluateTrust } from '../../../contract/trust/trust.ts'
import { parseTrustPolicy } from '../../../contract/trust/trust-policy.ts'
import { packCommit } from '../../../packager/pack-commit.ts'
import { ensureTools } from '../../../tools/build.ts'
import { runCommand, WAYBILL, waybillHere } from '../../cli/command.ts'
import { makeRepository, shopFiles } from '../../cli/repository.ts'
import { makeKey } from '../../fakes/keys.ts'
import { startRegistry } from '../../real/registry.ts'
import { optionsFor, tempFolder } from '../repository.ts'

/** The packager killed at each of its writes in turn, on the registry whose referrers are easiest to lose. */
const { oras } = await ensureTools(['oras'])
const real = await startRegistry({ kind: 'distribution' })
const reader = createRegistryReader({ plainHttp: true })
const pool = new Agent({ keepAlive: true })

/** Called after each write that the registry has done, before its answer goes on. */
let onWritten = () => {}
const proxy = createServer((incoming, response) => {
  const [hostname, port] = real.host.split(':')
  const { method, url: path, headers } = incoming
  const forwarded = request({ hostname, port, method, path, headers, agent: pool }, (answer) => {
    if (method === 'PUT' && answer.statusCode === 201) onWritten()
    response.writeHead(answer.statusCode ?? 502, answer.headers)
    answer.pipe(response)
  })
  forwarded.on('error', () => response.destroy())
  incoming.pipe(forwarded)
})
await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
const address = proxy.address()
const host = `127.0.0.1:${typeof address === 'object' ? address?.port : 0}`
after(async () => {
  await reader.close()
  proxy.close().closeAllConnections()
  pool.destroy()
  await real.stop()
})

const folder = tempFolder()
const key = makeKey()
const keyFile = join(folder, 'release.pem')
writeFileSync(keyFile, key.pem)

/** `waybill`, killed after its write number `at`; resolves with its status, null where it was killed. */
async function publishKilledAt(at: number, args: readonly string[]) {
  const pidFile = join(folder, `pid-${at}`)
  let writes = 0
  onWritten = () => {
    writes += 1
    if (writes === at) process.kill(Number(readFileSync(pidFile, 'utf8')), 'SIGKILL')
  }
  const script = 'echo $$ > "$PID_FILE"; exec "$@"'
  const env = { WAYBILL_ORAS: oras, PID_FILE: pidFile }
  const ran = await runCommand('sh', ['-c', script, 'sh', process.execPath, WAYBILL, ...args], { env })
  onWritten = () => {}
  return { ...ran, writes }
}

function notThere(error: unknown): undefined {
  assert.ok(hasCode(error, 'REGISTRY_NOT_FOUND'), String(error))
}

function named(repository: string, tag: string): Promise<string | undefined> {
  return reader.resolveTag(parseRepository(repository), tag).catch(notThere)
}

/** What the statements lead a cluster to that asks for all of them. */
async function trusted(repository: string, digest: string, asked: { version?: string; channel?: string }) {
  const by = { by: ['ci'] }
  const policy = parseTrustPolicy('all', {
    repositories: [repository],
    authorities: [{ name: 'ci', key: { pem: key.publicKeyPem } }],
    require: { signature: by, provenance: by, release: by, promotion: by },
  })
  const query = { repository, canonical: repository, digest: parseDigest(digest), ranBefore: false, ...asked }
  const bundles = await reader.fetchBundles(parseRepository(repository), parseDigest(digest))
  return { ...evaluateTrust([policy], query, bundles), statements: bundles.length }
}

test('a packager killed after any of its writes has named nothing unsigned; run again, it completes', async () => {
  for (let at = 1, killed = true; killed; at++) {
    const repository = `${host}/acme/shop-${at}`
    const made = makeRepository(join(folder, `repository-${at}`))
    made.commit(shopFiles(repository))
    const publish = [
      ...['publish', '--repo', made.folder, '--key', keyFile, '--plain-http'],
      ...['--version', '1.0.0', '--channel', 'production', '--output', 'json'],
    ]
    const first = await publishKilledAt(at, publish)
    killed = first.status === null
    assert.ok(killed || first.status === 0, first.stderr)
    assert.equal(killed, first.writes >= at)

    const [version, channel] = [await named(repository, '1.0.0'), await named(repository, 'production')]
    if (version !== undefined) await trusted(repository, version, { version: '1.0.0' })
    if (channel !== undefined) await trusted(repository, channel, { channel: 'production', version: '1.0.0' })
    const { digest } = await packCommit(optionsFor(made.folder))
    for (const tagged of [version, channel]) assert.ok(tagged === undefined || tagged === digest)
    const listed = await reader.fetchBundles(parseRepository(repository), digest).catch(notThere)

    const again = await waybillHere(publish, { env: { WAYBILL_ORAS: oras } })
    assert.equal(again.status, 0, again.stderr)
    assert.equal(JSON.parse(again.stdout).changed, channel === undefined, `after write ${at}`)
    assert.deepEqual([await named(repository, '1.0.0'), await named(repository, 'production')], [digest, digest])
    const { statements } = await trusted(repository, digest, { channel: 'production', version: '1.0.0' })
    // Signature, provenance, release, promotion. A promotion that lacks its tag gets a successor with a higher number: it
    // cannot be told from a tag that was moved back by hand.
    assert.equal(statements, listed?.length === 4 && channel === undefined ? 5 : 4, `after write ${at}`)
    // Seven blobs, five manifests, four lists of referrers, two names.
    if (!killed) assert.ok(first.writes >= 18, `only ${first.writes} writes`)
  }
})
