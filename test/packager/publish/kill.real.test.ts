import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
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
import { waybill, waybillHere } from '../../cli/command.ts'
import { makeRepository, shopFiles } from '../../cli/repository.ts'
import { makeKey } from '../../fakes/keys.ts'
import { startRegistry } from '../../real/registry.ts'
import { optionsFor, tempFolder } from '../repository.ts'

/** The packager killed at each of its calls of oras in turn, on the registry whose referrers are easiest to lose. */
const { oras } = await ensureTools(['oras'])
const { host, stop } = await startRegistry({ kind: 'distribution' })
const reader = createRegistryReader({ plainHttp: true })
after(async () => {
  await reader.close()
  await stop()
})

const folder = tempFolder()
const key = makeKey()
const keyFile = join(folder, 'release.pem')
writeFileSync(keyFile, key.pem)

/** An oras that counts its calls, and after call `at` kills whoever called it. */
const killing = join(folder, 'oras')
writeFileSync(
  killing,
  `#!/bin/sh
echo x >> "$CALLS"
${oras} "$@" || exit
[ "$(wc -l < "$CALLS")" -ne "$KILL_AT" ] || kill -9 $PPID
`,
  { mode: 0o755 },
)

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
    const calls = join(folder, `calls-${at}`)
    const publish = [
      ...['publish', '--repo', made.folder, '--key', keyFile, '--plain-http'],
      ...['--version', '1.0.0', '--channel', 'production', '--output', 'json'],
    ]
    const first = await waybill(publish, { env: { WAYBILL_ORAS: killing, CALLS: calls, KILL_AT: String(at) } })
    killed = first.status === null
    assert.ok(killed || first.status === 0, first.stderr)
    assert.ok(existsSync(calls) && (!killed || readFileSync(calls, 'utf8').length === 2 * at))

    const [version, channel] = [await named(repository, '1.0.0'), await named(repository, 'production')]
    if (version !== undefined) await trusted(repository, version, { version: '1.0.0' })
    if (channel !== undefined) await trusted(repository, channel, { channel: 'production', version: '1.0.0' })
    const { digest } = await packCommit(optionsFor(made.folder))
    for (const tagged of [version, channel]) assert.ok(tagged === undefined || tagged === digest)
    const listed = await reader.fetchBundles(parseRepository(repository), digest).catch(notThere)

    const again = await waybillHere(publish, { env: { WAYBILL_ORAS: oras } })
    assert.equal(again.status, 0, again.stderr)
    assert.equal(JSON.parse(again.stdout).changed, channel === undefined, `after call ${at}`)
    assert.deepEqual([await named(repository, '1.0.0'), await named(repository, 'production')], [digest, digest])
    const { statements } = await trusted(repository, digest, { channel: 'production', version: '1.0.0' })
    // Signature, provenance, release, promotion. A promotion that lacks its tag gets a successor with a higher number: it
    // cannot be told from a tag that was moved back by hand.
    assert.equal(statements, listed?.length === 4 && channel === undefined ? 5 : 4, `after call ${at}`)
    if (!killed) assert.ok(at > 12, `only ${at} calls`)
  }
})
