import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { digestOf } from '../../../contract/digest.ts'
import { hasCode } from '../../../contract/errors.ts'
import { parseRepository } from '../../../contract/reference.ts'
import { createOras } from '../../../packager/publish/oras.ts'

const dir = mkdtempSync(join(tmpdir(), 'waybill-oras-'))
after(() => rmSync(dir, { recursive: true, force: true }))
const repository = parseRepository('registry.example.com:5000/acme/shop-404')
const bytes = Buffer.from('{}')

/** A program in oras's place: says `version`, writes down what it was called with, and then does `then`. */
function pretend(version: string, then = 'exit 0'): string {
  const file = join(dir, `oras-${Math.random().toString(36).slice(2)}`)
  writeFileSync(
    file,
    `#!/bin/sh\nif [ "$1" = version ]; then echo "Version:        ${version}"; exit 0; fi\necho "$@" >> ${file}.args\nenv > ${file}.env\n${then}\n`,
  )
  chmodSync(file, 0o755)
  return file
}

const env = { PATH: process.env.PATH, COSIGN_PASSWORD: 'sesame-42', DOCKER_CONFIG: '/some/where' }

test('without oras it says what is missing', async () => {
  const writer = createOras({ program: join(dir, 'absent'), env })
  await assert.rejects(writer.pushBlob(repository, bytes, 'x/y'), (error) => {
    return hasCode(error, 'TOOL_MISSING') && /oras 1\.3.*WAYBILL_ORAS/.test(error.hint)
  })
})

test('an oras that is too old, or says nothing, is refused before it writes', async () => {
  for (const [version, code] of [
    ['1.2.9', 'TOOL_VERSION'],
    ['0.16.0', 'TOOL_VERSION'],
    ['none', 'TOOL_FAILED'],
  ] as const) {
    const program = pretend(version)
    await assert.rejects(createOras({ program, env }).pushBlob(repository, bytes, 'x/y'), (error) =>
      hasCode(error, code),
    )
    assert.throws(() => readFileSync(`${program}.args`))
  }
})

test('flags are passed on, and the key’s password is not', async () => {
  const program = pretend('1.3.3')
  const writer = createOras({ program, env, plainHttp: true, caFile: '/ca.pem', registryConfig: '/auth.json' })
  const digest = digestOf(bytes)
  assert.equal(await writer.pushBlob(repository, bytes, 'x/y'), digest)
  await writer.pushManifest(repository, bytes, 'x/y')
  await writer.tag(repository, digest, '1.0.0')
  const flags = '--plain-http --ca-file /ca.pem --registry-config /auth.json'
  const target = `registry.example.com:5000/acme/shop-404@${digest}`
  assert.deepEqual(readFileSync(`${program}.args`, 'utf8').trim().split('\n'), [
    `blob push --size 2 --media-type x/y ${target} - ${flags}`,
    `manifest push --media-type x/y ${target} - ${flags}`,
    `tag ${target} 1.0.0 ${flags}`,
  ])
  const seen = readFileSync(`${program}.env`, 'utf8')
  assert.ok(seen.includes('DOCKER_CONFIG=/some/where') && !seen.includes('sesame-42'))
})

for (const [words, code] of [
  ['Error: HEAD "https://registry": response status code 401: Unauthorized', 'REGISTRY_AUTH'],
  ['Error: response status code 403: denied: secret-token-x', 'REGISTRY_AUTH'],
  ['Error response from registry: basic credential not found', 'REGISTRY_AUTH'],
  ['Error: response status code 429: Too Many Requests', 'REGISTRY_RATE_LIMITED'],
  ['Error response from registry: registry.example.com:5000/acme/shop-404@x: not found', 'REGISTRY_NOT_FOUND'],
  ['Error: dial tcp 10.0.0.1:443: connect: connection refused', 'REGISTRY_UNREACHABLE'],
  ['Error: tls: failed to verify certificate: x509: unknown authority', 'REGISTRY_UNREACHABLE'],
  ['Error: response status code 500: Internal Server Error', 'REGISTRY_FAILED'],
  ['Error: something about registry.example.com:5000/acme/shop-404', 'REGISTRY_FAILED'],
] as const)
  test(`oras that says “${words.slice(0, 60)}” is ${code}`, async () => {
    const writer = createOras({ program: pretend('1.3.3', `echo '${words}' >&2; exit 1`), env })
    await assert.rejects(writer.pushBlob(repository, bytes, 'x/y'), (error) => {
      assert.ok(hasCode(error, code), String(error))
      assert.ok(!error.message.includes('secret-token-x'))
      return true
    })
  })
