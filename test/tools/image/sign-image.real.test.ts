import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { promisify } from 'node:util'
import { ensureTools } from '../../../tools/build.ts'
import { REGISTRY_KINDS, startRegistry } from '../../real/registry.ts'
import { commitSources, git } from './checkouts.ts'
import { readImage } from './read-image.ts'

const tools = await ensureTools(['oras', 'cosign'])
const home = mkdtempSync(join(tmpdir(), 'waybill-sign-image-'))
const registries = await Promise.all(REGISTRY_KINDS.map((kind) => startRegistry({ kind })))
const env = { HOME: home, PATH: process.env.PATH, COSIGN_PASSWORD: 'sesame-42' }
const run = (program: string, ...args: readonly string[]) => promisify(execFile)(program, args, { env, cwd: home })
const cosign = (...args: readonly string[]) => run(tools.cosign, ...args)
const loose = ['--insecure-ignore-tlog', '--allow-http-registry']
const checkout = commitSources(join(home, 'checkout'))
const layout = join(home, 'image')
const { version } = JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8'))
for (const name of ['ours', 'theirs']) await cosign('generate-key-pair', '--output-key-prefix', name)
const { stdout, stderr } = await run(
  process.execPath,
  join(checkout, 'tools', 'image', 'main.ts'),
  layout,
  '--key',
  'ours.key',
  '--source',
  'https://git.example.com/waybill',
)
const { digest, manifest, config } = readImage(layout, version)

after(async () => {
  await Promise.all(registries.map((registry) => registry.stop()))
  rmSync(home, { recursive: true, force: true })
})

/** The predicate that cosign found good, checked by our key. */
async function attested(type: string, reference: string): Promise<unknown> {
  const answer = await cosign('verify-attestation', '--type', type, '--key', 'ours.pub', ...loose, reference)
  const statement = JSON.parse(Buffer.from(JSON.parse(answer.stdout).payload, 'base64').toString())
  assert.deepEqual(statement.subject, [{ digest: { sha256: digest.slice('sha256:'.length) } }])
  return statement.predicate
}

type Provenance = {
  buildDefinition: { resolvedDependencies: { name: string; uri?: string; digest: Record<string, string> }[] }
}

function parseProvenance(predicate: unknown): Provenance {
  return predicate as Provenance
}

type Spdx = {
  spdxVersion: string
  packages: {
    SPDXID: string
    name: string
    versionInfo: string
    licenseDeclared: string
    externalRefs?: { referenceLocator: string }[]
  }[]
  files: { SPDXID: string; fileName: string }[]
  relationships: { spdxElementId: string; relatedSpdxElement: string }[]
}

function parseSpdx(predicate: unknown): Spdx {
  return predicate as Spdx
}

test('what npm run image prints leads on: the digest, what it weighs, that it is signed, how to push it and how to install it', () => {
  assert.match(stdout, new RegExp(`^image:${version} ${digest}$`, 'm'))
  assert.match(stdout, /MB {2}compressed, linux\/(?:amd64|arm64), signed/)
  assert.match(
    stdout,
    new RegExp(`^next: oras copy -r --from-oci-layout image:${version} REGISTRY/waybill:${version}$`, 'm'),
  )
  assert.match(stdout, new RegExp(`^then: waybill install --image REGISTRY/waybill@${digest}$`, 'm'))
  assert.doesNotMatch(stderr, /note|error/)
})

for (const { kind, host } of registries)
  test(`${kind}: cosign accepts signature, provenance and SPDX of an image that oras pushed, by our key and no other`, async () => {
    const reference = `${host}/acme/waybill@${digest}`
    await run(
      tools.oras,
      'copy',
      '-r',
      '--to-plain-http',
      '--from-oci-layout',
      `image:${version}`,
      `${host}/acme/waybill:${version}`,
    )
    await cosign('verify', '--key', 'ours.pub', ...loose, reference)
    const types = ['slsaprovenance1', 'spdxjson']
    for (const type of types) await attested(type, reference)
    await assert.rejects(cosign('verify', '--key', 'theirs.pub', ...loose, reference))
    for (const type of types)
      await assert.rejects(cosign('verify-attestation', '--type', type, '--key', 'theirs.pub', ...loose, reference))
  })

test('the provenance names the commit, the lock file, and every file that the machine brought along, by its digest', async () => {
  const reference = `${registries[0]?.host}/acme/waybill@${digest}`
  const { buildDefinition } = parseProvenance(await attested('slsaprovenance1', reference))
  const of = (name: string) => buildDefinition.resolvedDependencies.find((one) => one.name === name)
  assert.deepEqual(of('source')?.digest, { gitCommit: git(checkout, 'rev-parse', 'HEAD') })
  assert.match(of('package-lock.json')?.digest.sha256 ?? '', /^[0-9a-f]{64}$/)
  assert.match(of('/bin/node')?.uri ?? '', /^pkg:(?:npm\/node-linux-\w+|generic\/node)@24\./)
  const libc = buildDefinition.resolvedDependencies.find(({ name }) => name.endsWith('/libc.so.6'))
  assert.match(libc?.digest.sha256 ?? '', /^[0-9a-f]{64}$/)
  assert.equal(config.config.User, '65532:65532')
  assert.equal(manifest.layers.length, 3)
})

test('the SPDX document has Node, the C library and every npm package, with version, licence and package URL', async () => {
  const reference = `${registries[0]?.host}/acme/waybill@${digest}`
  const document = parseSpdx(await attested('spdxjson', reference))
  assert.equal(document.spdxVersion, 'SPDX-2.3')
  const [image, ...packages] = document.packages
  assert.equal(image?.name, 'waybill')
  for (const { name, versionInfo, licenseDeclared, externalRefs } of packages) {
    assert.match(externalRefs?.[0]?.referenceLocator ?? '', /^pkg:(?:npm|deb|generic)\//, name)
    assert.notEqual(licenseDeclared, '', name)
    assert.notEqual(versionInfo, '', name)
  }
  const names = packages.map(({ name }) => name)
  const { packages: locked } = JSON.parse(readFileSync(join(checkout, 'package-lock.json'), 'utf8'))
  for (const name of ['node', ...Object.keys(locked[''].dependencies)]) assert.ok(names.includes(name), name)
  assert.ok(document.files.some(({ fileName }) => fileName.endsWith('/libc.so.6')))
  const ids = new Set(['SPDXRef-DOCUMENT', ...[...document.packages, ...document.files].map(({ SPDXID }) => SPDXID)])
  assert.equal(ids.size, 1 + document.packages.length + document.files.length)
  const related = document.relationships.flatMap(({ spdxElementId, relatedSpdxElement }) => [
    spdxElementId,
    relatedSpdxElement,
  ])
  assert.deepEqual(new Set(related), ids)
})
