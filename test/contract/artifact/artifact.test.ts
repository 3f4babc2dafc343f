import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  parseConfig,
  parseManifest,
  treeDigest,
  writeConfig,
  writeManifest,
} from '../../../contract/artifact/artifact.ts'
import { canonicalJson } from '../../../contract/canonical-json.ts'
import { hasCode } from '../../../contract/errors.ts'
import { LIMITS } from '../../../contract/limits.ts'
import { packRelease } from '../../../packager/pack.ts'

const { release } = packRelease({
  package: { name: 'shop', repository: 'registry.example.com/acme/shop' },
  source: {
    repository: 'https://git.example.com/acme/shop',
    revision: `sha1:${'1'.repeat(40)}`,
    committedAt: '2026-11-21T10:00:00Z',
  },
  kubernetes: { version: '1.36' },
  environments: { dev: [{ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' } }] },
})
const config = Buffer.from(writeConfig(release)).toString()
const manifest = Buffer.from(writeManifest(release, Buffer.from(config), Buffer.from('layer'))).toString()

function refused(parse: (bytes: Uint8Array) => unknown, text: string | Uint8Array, words: RegExp): void {
  assert.throws(
    () => parse(Buffer.from(text)),
    (error) => hasCode(error, 'ARTIFACT_INVALID') && words.test(error.message),
    String(text).slice(0, 200),
  )
}

test('a config and a manifest are read as they were written', () => {
  assert.deepEqual(parseConfig(Buffer.from(config)), release)
  assert.equal(canonicalJson(parseManifest(Buffer.from(manifest))), manifest)
})

test('a config or manifest in any other spelling, or with a key twice, is refused', () => {
  for (const [parse, text] of [
    [parseConfig, config],
    [parseManifest, manifest],
  ] as const) {
    for (const other of [
      `${text}\n`,
      ` ${text}`,
      text.replace('":', '" :'),
      text.replace(/^\{/, '{"schemaVersion":1,'),
    ])
      refused(parse, other, /canonical/)
    for (const other of ['', 'null', '[]', '{', '"\ud800"', Buffer.from([0xff]), `\ufeff${text}`])
      refused(parse, other, /the (?:config|manifest)/)
    refused(parse, `${'['.repeat(1_000_000)}`, /nested deeper/)
  }
})

test('a field that nobody knows, wherever it stands, is refused', () => {
  const deep = config.replace('"images":[]', '"images":[],"more":1')
  refused(parseConfig, deep, /more/)
  refused(
    parseConfig,
    config
      .replace('"kind":', '"kind2":1,"kind":')
      .replace('"kind2":1,"kind":"ConfigMap"', '"kind":"ConfigMap","kind2":1'),
    /kind2/,
  )
  refused(parseManifest, manifest.replace('"schemaVersion":2', '"schemaVersion":2,"subject":{}'), /subject/)
})

test('__proto__ is no field, and no name of an environment that is passed over', () => {
  refused(parseConfig, config.replace('"environments":{', '"__proto__":{},"environments":{'), /__proto__/)
  const twice = /"dev":(\{.*\})\},"kubernetes"/.exec(config)?.[1]
  refused(parseConfig, config.replace('"environments":{', `"environments":{"__proto__":${twice},`), /__proto__/)
})

test('sizes that are declared over a limit are refused before anything is fetched', () => {
  const declare = (kind: 'config' | 'layers', size: number | string) => {
    const value = JSON.parse(manifest)
    const descriptor = kind === 'config' ? value.config : value.layers[0]
    descriptor.size = size
    return canonicalJson(value)
  }
  refused(parseManifest, declare('config', LIMITS.configBytesMax + 1), /config\.size/)
  refused(parseManifest, declare('layers', LIMITS.layerBytesMax + 1), /layers\.0\.size/)
  for (const size of [-1, 1.5, 2 ** 60, '1']) refused(parseManifest, declare('layers', size), /size/)
})

test('a manifest with no layer, or two, or of another kind is refused', () => {
  const value = JSON.parse(manifest)
  for (const change of [
    { layers: [] },
    { layers: [value.layers[0], value.layers[0]] },
    { artifactType: 'application/vnd.waybill.release.v2' },
    { mediaType: 'application/vnd.oci.image.index.v1+json' },
    { config: { ...value.config, mediaType: 'application/vnd.oci.image.config.v1+json' } },
    { layers: [{ ...value.layers[0], mediaType: 'application/vnd.oci.image.layer.v1.tar+zstd' }] },
  ])
    refused(parseManifest, canonicalJson({ ...value, ...change }), /the manifest/)
})

test('more objects in one environment than the limit are refused', () => {
  const value = JSON.parse(config)
  const [one] = value.environments.dev.objects
  const objects = Array(LIMITS.objectsPerEnvironmentMax + 1).fill(one)
  const dev = { ...value.environments.dev, objects, treeDigest: treeDigest(objects) }
  refused(parseConfig, canonicalJson({ ...value, environments: { dev } }), /objects/)
})

test('a tree digest that is not that of the objects, and too many environments, are refused', () => {
  refused(
    parseConfig,
    config.replace(/"treeDigest":"sha256:./, '"treeDigest":"sha256:x'.replace('x', '0')),
    /tree digest|treeDigest/,
  )
  const value = JSON.parse(config)
  const names = Array.from({ length: LIMITS.environmentsMax + 1 }, (_, i) => [`e${i}`, value.environments.dev])
  refused(parseConfig, canonicalJson({ ...value, environments: Object.fromEntries(names) }), /more than 64/)
})
