import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { parseConfig, parseManifest } from '../contract/artifact/artifact.ts'
import { readLayer } from '../contract/artifact/layer.ts'
import { parseDigest } from '../contract/digest.ts'
import { LIMITS } from '../contract/limits.ts'
import { parseReference } from '../contract/reference.ts'
import { evaluateTrust } from '../contract/trust/trust.ts'
import { parseTrustPolicy } from '../contract/trust/trust-policy.ts'
import { openLayout } from '../packager/layout-store.ts'
import { packRelease } from '../packager/pack.ts'

/** Every format that was ever shipped must still be read. What is in test/formats is never made again. */
const V1 = join(import.meta.dirname, 'formats/v1')
const DIGEST = parseDigest('sha256:bd988bd85b31ec1094d0353756c3c0ea3a9729dedb9fbdd30a6293a0bbf310d2')
const repository = 'registry.example.com/acme/shop'

async function readV1() {
  const source = openLayout(join(V1, 'layout'))
  const reference = parseReference(repository)
  const manifest = parseManifest(await source.fetchManifest(reference, DIGEST))
  const blob = ({ digest, size }: { readonly digest: string; readonly size: number }) =>
    source.fetchBlob(reference, { digest: parseDigest(digest), size }, LIMITS.layerBytesMax)
  return { config: parseConfig(await blob(manifest.config)), layer: await blob(manifest.layers[0]) }
}

test('an artifact of format 1 is read: its environments, objects and images', async () => {
  assert.deepEqual(await openLayout(join(V1, 'layout')).releases(), [DIGEST])
  const { config, layer } = await readV1()
  assert.deepEqual(Object.keys(config.environments), ['production', 'staging'])
  const objects = await readLayer(layer, config, 'production')
  assert.deepEqual(
    objects.map(({ listed }) => listed.path),
    [
      '_/clusterrole.rbac.authorization.k8s.io/acme%3Areader.json',
      'shop/configmap/settings.json',
      'shop/deployment.apps/api.json',
    ],
  )
  assert.deepEqual(objects[1]?.object.data, { greeting: 'Grüße', n: '0644' })
  assert.equal(config.environments.production?.images.length, 1)
})

test('packing the same objects today gives the digest of format 1', async () => {
  const { config, layer } = await readV1()
  const environments: Record<string, Parameters<typeof packRelease>[0]['environments'][string]> = {}
  for (const name of Object.keys(config.environments))
    environments[name] = (await readLayer(layer, config, name)).map(({ object }) => object)
  const { package: pack, source, kubernetes } = config
  assert.equal(packRelease({ package: pack, source, kubernetes, environments }).digest, DIGEST)
})

test('the four statements of format 1 are believed by a policy that asks for all of them', () => {
  const by = ['ci']
  const policy = parseTrustPolicy('all', {
    repositories: [repository],
    authorities: [{ name: 'ci', key: { pem: readFileSync(join(V1, 'key.pub'), 'utf8') } }],
    require: {
      signature: { by },
      provenance: {
        by,
        builderId: 'https://ci.example.com/runner',
        sourceRepository: 'https://git.example.com/acme/shop',
        sourceRefs: ['refs/heads/*'],
      },
      release: { by },
      promotion: { by },
    },
  })
  const bundles = readdirSync(join(V1, 'bundles')).map((file) => readFileSync(join(V1, 'bundles', file)))
  const query = {
    repository,
    canonical: repository,
    digest: DIGEST,
    channel: 'production',
    version: '1.0.0',
    ranBefore: false,
  }
  const trusted = evaluateTrust([policy], query, bundles)
  assert.deepEqual(trusted.releases, ['1.0.0'])
  assert.equal(trusted.promotion?.sequence, 1795255200)
})

test('tar, find and sha256sum give the tree digest that FORMAT says they give', async () => {
  const { config, layer } = await readV1()
  const folder = mkdtempSync(join(tmpdir(), 'waybill-format-'))
  try {
    writeFileSync(join(folder, 'layer.tar.gz'), layer)
    execFileSync('tar', ['xzf', 'layer.tar.gz'], { cwd: folder })
    const formula = /`(find \* -name '\*\.json' \|[^`]*)`/.exec(
      readFileSync(join(import.meta.dirname, '../docs/FORMAT.md'), 'utf8').replaceAll('\n', ' '),
    )?.[1]
    assert.ok(formula !== undefined)
    for (const [name, { treeDigest }] of Object.entries(config.environments)) {
      const said: string = execFileSync('sh', ['-c', formula], { cwd: join(folder, name), encoding: 'utf8' })
      assert.equal(`sha256:${said.split(' ')[0]}`, treeDigest)
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
})
