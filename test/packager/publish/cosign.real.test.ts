import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { promisify } from 'node:util'
import { hasCode } from '../../../contract/errors.ts'
import { parseRepository } from '../../../contract/reference.ts'
import { createRegistryReader } from '../../../contract/registry/registry-client.ts'
import { evaluateTrust } from '../../../contract/trust/trust.ts'
import { parseSigningKey } from '../../../packager/publish/keys.ts'
import { createOras } from '../../../packager/publish/oras.ts'
import { publish } from '../../../packager/publish/publish.ts'
import { push } from '../../../packager/publish/push.ts'
import { ownPolicy } from '../../../packager/publish/sign.ts'
import { ensureTools } from '../../../tools/build.ts'
import { makeKey } from '../../fakes/keys.ts'
import { makeRelease } from '../../fakes/release.ts'
import { REGISTRY_KINDS, startRegistry } from '../../real/registry.ts'

const tools = await ensureTools(['oras', 'cosign'])
const home = mkdtempSync(join(tmpdir(), 'waybill-cosign-'))
const env = { HOME: home, PATH: process.env.PATH, COSIGN_PASSWORD: 'sesame-42' }
const run = promisify(execFile)
const cosign = (...args: string[]) => run(tools.cosign, args, { env, cwd: home })
const loose = ['--insecure-ignore-tlog', '--allow-http-registry']
const reader = createRegistryReader({ plainHttp: true })
const writer = createOras({ program: tools.oras, env, plainHttp: true })
// Everything is started before the first test: hooks may run as soon as no test is left.
const registries = await Promise.all(REGISTRY_KINDS.map((kind) => startRegistry({ kind })))
await cosign('generate-key-pair')
const cosignKey = readFileSync(join(home, 'cosign.key'), 'utf8')
/** No transparency log: there is none on this machine. */
const signingFlags = ['--tlog-upload=false', '--use-signing-config=false']
const now = new Date('2026-11-21T10:00:00Z')

after(async () => {
  await reader.close()
  await Promise.all(registries.map((registry) => registry.stop()))
  rmSync(home, { recursive: true, force: true })
})

test('a key that cosign made is read with its password, and its public half is the same', () => {
  const key = parseSigningKey(cosignKey, { password: 'sesame-42' })
  assert.equal(key.publicKeyPem, readFileSync(join(home, 'cosign.pub'), 'utf8'))
  for (const options of [{}, { password: 'wrong' }])
    assert.throws(
      () => parseSigningKey(cosignKey, options),
      (error) => hasCode(error, 'KEY_PASSWORD') && !error.message.includes('wrong'),
    )
})

for (const { kind, host } of registries) {
  const repository = parseRepository(`${host}/acme/shop`)

  test(`${kind}: cosign verifies the signature and the provenance that we publish`, async () => {
    for (const key of [makeKey(), parseSigningKey(cosignKey, { password: 'sesame-42' })]) {
      const packed = makeRelease(repository.repository, key.fingerprint.slice(7, 20))
      const build = { builderId: 'https://ci.example.com', ref: 'refs/heads/main' }
      const { reference } = await publish(packed, {
        reader,
        writer,
        key,
        build,
        now,
        version: `1.0.0-${packed.digest.slice(7, 15)}`,
      })
      const file = join(home, 'public.pem')
      writeFileSync(file, key.publicKeyPem)
      await cosign('verify', '--key', file, ...loose, reference)
      const { stdout } = await cosign(
        'verify-attestation',
        '--type',
        'slsaprovenance1',
        '--key',
        file,
        ...loose,
        reference,
      )
      const statement = JSON.parse(Buffer.from(JSON.parse(stdout).payload, 'base64').toString())
      assert.equal(statement.predicate.runDetails.builder.id, 'https://ci.example.com')
      writeFileSync(file, makeKey().publicKeyPem)
      await assert.rejects(cosign('verify', '--key', file, ...loose, reference))
    }
  })

  test(`${kind}: what cosign signs is trusted, and what it merely attests is not a signature`, async () => {
    const packed = makeRelease(repository.repository, 'signed-by-cosign')
    await push(packed, repository, { reader, writer })
    const reference = `${repository.repository}@${packed.digest}`
    const key = parseSigningKey(cosignKey, { password: 'sesame-42' })
    const query = { repository: repository.repository, canonical: repository.repository, digest: packed.digest }
    const evaluate = async () =>
      evaluateTrust(
        [ownPolicy(repository.repository, key)],
        { ...query, ranBefore: false },
        await reader.fetchBundles(repository, packed.digest),
      )
    await assert.rejects(evaluate(), (error) => hasCode(error, 'SIGNATURE_MISSING'))
    const offline = ['--key', 'cosign.key', '--yes', '--allow-http-registry', ...signingFlags]
    writeFileSync(join(home, 'predicate.json'), '{"buildDefinition":{},"runDetails":{}}')
    await cosign('attest', '--type', 'slsaprovenance1', '--predicate', 'predicate.json', ...offline, reference)
    // cosign attests in in-toto Statement v0.1, which is not even opened.
    await assert.rejects(evaluate(), (error) => hasCode(error, 'SIGNATURE_MISSING') && /_type/.test(error.message))
    await cosign('sign', ...offline, reference)
    const trusted = await evaluate()
    assert.equal(trusted.signers[0]?.key, key.fingerprint)
  })
}
