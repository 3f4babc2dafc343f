import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { Header } from 'tar'
import { type ReleaseConfig, treeDigest } from '../../../contract/artifact/artifact.ts'
import { inflate } from '../../../contract/artifact/inflate.ts'
import { readLayer, writeKustomization } from '../../../contract/artifact/layer.ts'
import { type KubeObject, objectId, objectPath } from '../../../contract/artifact/objects.ts'
import { TAR_END, tarHeader, tarPadding, writeTar } from '../../../contract/artifact/tar.ts'
import { canonicalJson } from '../../../contract/canonical-json.ts'
import { hasCode } from '../../../contract/errors.ts'
import { LIMITS } from '../../../contract/limits.ts'
import { packRelease } from '../../../packager/pack.ts'

const about = {
  package: { name: 'shop', repository: 'registry.example.com/acme/shop' },
  source: {
    repository: 'https://git.example.com/acme/shop',
    revision: `sha1:${'1'.repeat(40)}`,
    committedAt: '2026-11-21T10:00:00Z',
  },
  kubernetes: { version: '1.36' },
}

function configMap(name: string, data: Record<string, string> = { a: 'b' }): KubeObject {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'shop' }, data }
}

type File = { readonly path: string; readonly bytes: Buffer }

/** The files of an honest layer with these objects in the environment dev, to be spoilt; and its config. */
function honest(...objects: readonly KubeObject[]): {
  readonly files: readonly File[]
  readonly config: ReleaseConfig
} {
  const { release } = packRelease({ ...about, environments: { dev: objects } })
  const listed = release.environments.dev?.objects ?? []
  const bytesOf = (path: string) => objects.find((object) => objectPath(objectId(object)) === path)
  const files = listed.map(({ path }) => ({ path: `dev/${path}`, bytes: Buffer.from(canonicalJson(bytesOf(path))) }))
  const kustomization = { path: 'dev/kustomization.yaml', bytes: writeKustomization(listed) }
  return { files: [kustomization, ...files].sort((a, b) => (a.path < b.path ? -1 : 1)), config: release }
}

function entry(path: string, bytes: Buffer, header: ConstructorParameters<typeof Header>[0] = {}): Buffer {
  const data = Buffer.isBuffer(header) ? {} : header
  const block = new Header({
    path,
    mode: 0o644,
    uid: 0,
    gid: 0,
    size: bytes.length,
    mtime: new Date(0),
    type: 'File',
    ...data,
  })
  block.encode()
  return Buffer.concat([block.block ?? Buffer.alloc(0), bytes, Buffer.alloc(tarPadding(bytes.length))])
}

async function refused(
  tar: Buffer,
  config: ReleaseConfig,
  code: Parameters<typeof hasCode>[1],
  words: RegExp,
): Promise<void> {
  await assert.rejects(readLayer(gzipSync(tar), config, 'dev'), (error) => {
    assert.ok(hasCode(error, code), `${error}`)
    assert.match(error.message, words)
    return true
  })
}

const objects = fc.uniqueArray(
  fc.record({
    name: fc.stringMatching(/^[a-z0-9][a-z0-9.:-]{0,250}$/),
    namespace: fc.option(fc.stringMatching(/^[a-z0-9]{1,63}$/), { nil: undefined }),
    kind: fc.stringMatching(/^[A-Z][a-z]{0,20}$/),
    spec: fc.jsonValue(),
  }),
  { selector: ({ name, namespace, kind }) => `${kind}/${namespace ?? ''}/${name}`, maxLength: 20 },
)

test('what is packed is read back as it was, whatever its names and content', async () => {
  await fc.assert(
    fc.asyncProperty(objects, async (made) => {
      const all = made.map(({ name, namespace, kind, spec }): KubeObject => {
        const metadata = { name, ...(namespace === undefined ? {} : { namespace }) }
        return { apiVersion: 'example.com/v1', kind, metadata, spec: JSON.parse(JSON.stringify(spec)) }
      })
      const packed = packRelease({ ...about, environments: { dev: all, other: [configMap('x')] } })
      const read = await readLayer(packed.layer, packed.release, 'dev')
      const sorted = (list: readonly KubeObject[]) => list.map((object) => canonicalJson(object)).sort()
      assert.deepEqual(sorted(read.map(({ object }) => object)), sorted(all))
    }),
    { numRuns: 50 },
  )
})

test('no spoilt byte of a layer goes unnoticed', async () => {
  const { files, config } = honest(configMap('a'), configMap('b'))
  const tar = writeTar(files)
  await fc.assert(
    fc.asyncProperty(fc.nat(tar.length - 1), fc.integer({ min: 1, max: 255 }), async (at, change) => {
      const spoilt = Buffer.from(tar)
      spoilt[at] = (spoilt[at] ?? 0) ^ change
      await assert.rejects(readLayer(gzipSync(spoilt), config, 'dev'), (error) =>
        hasCode(error, 'LAYER_INVALID', 'OBJECT_INVALID', 'LIMIT_EXCEEDED'),
      )
    }),
    { numRuns: 1000 },
  )
})

test('a layer cut anywhere is refused', async () => {
  const { files, config } = honest(configMap('a'))
  const packed = gzipSync(writeTar(files))
  for (let at = 0; at < packed.length; at += 7)
    await assert.rejects(readLayer(packed.subarray(0, at), config, 'dev'), (error) =>
      hasCode(error, 'LAYER_INVALID', 'OBJECT_INVALID'),
    )
})

test('an environment that the artifact does not have is named', async () => {
  const { files, config } = honest(configMap('a'))
  await assert.rejects(readLayer(gzipSync(writeTar(files)), config, 'prod'), (error) =>
    hasCode(error, 'ENVIRONMENT_UNKNOWN'),
  )
  await assert.rejects(readLayer(gzipSync(writeTar(files)), config, '__proto__'), (error) =>
    hasCode(error, 'ENVIRONMENT_UNKNOWN'),
  )
})

test('names that lead out of the folder are refused', async () => {
  const { files, config } = honest(configMap('a'))
  for (const path of ['../evil', '/etc/passwd', 'dev/../../evil', 'dev\\evil', '..'])
    await refused(Buffer.concat([entry(path, Buffer.from('x')), writeTar(files)]), config, 'LAYER_INVALID', /leads out/)
})

test('links, devices and folders are refused, wherever they stand', async () => {
  const { files, config } = honest(configMap('a'))
  const types = [
    'SymbolicLink',
    'Link',
    'CharacterDevice',
    'BlockDevice',
    'FIFO',
    'Directory',
    'GlobalExtendedHeader',
  ] as const
  for (const type of types) {
    const bad = entry('dev/x', Buffer.alloc(0), { type, linkpath: '/etc/passwd' })
    await refused(Buffer.concat([bad, writeTar(files)]), config, 'LAYER_INVALID', /only plain files/)
    await refused(
      Buffer.concat([writeTar(files).subarray(0, -TAR_END.length), bad, TAR_END]),
      config,
      'LAYER_INVALID',
      /only plain files/,
    )
  }
})

test('a listed object that is a link is refused', async () => {
  const { files, config } = honest(configMap('a'))
  const [kustomization, object] = files
  assert.ok(kustomization && object)
  const link = entry(object.path, Buffer.alloc(0), { type: 'SymbolicLink', linkpath: '/etc/passwd' })
  await refused(
    Buffer.concat([writeTar([kustomization]).subarray(0, -TAR_END.length), link, TAR_END]),
    config,
    'LAYER_INVALID',
    /only plain/,
  )
})

test('two entries of one name are refused', async () => {
  const { files, config } = honest(configMap('a'))
  const [kustomization, object] = files
  assert.ok(kustomization && object)
  await refused(writeTar([kustomization, object, object]), config, 'LAYER_INVALID', /two entries/)
  await refused(writeTar([kustomization, kustomization, object]), config, 'LAYER_INVALID', /two entries/)
})

test('an object that the config does not list is refused, and so is one that is missing', async () => {
  const { files, config } = honest(configMap('b'))
  const extra = { path: 'dev/shop/configmap/a.json', bytes: Buffer.from('{}') }
  const [kustomization] = files
  assert.ok(kustomization)
  await refused(writeTar([kustomization, extra, ...files.slice(1)]), config, 'OBJECT_INVALID', /does not list/)
  await refused(writeTar([...files, extra]), config, 'OBJECT_INVALID', /does not list/)
  await refused(writeTar([kustomization]), config, 'OBJECT_INVALID', /does not hold/)
  await refused(writeTar([...files].reverse()), config, 'OBJECT_INVALID', /out of order/)
})

test('an object with other content than the config lists is refused', async () => {
  const { files, config } = honest(configMap('a', { key: 'one' }))
  const other = files.map(({ path, bytes }) => ({
    path,
    bytes: Buffer.from(bytes.toString().replace('"one"', '"two"')),
  }))
  await refused(writeTar(other), config, 'OBJECT_INVALID', /sha256/)
})

/** A layer and config that agree about these bytes at the path of the ConfigMap a. */
function agreeing(bytes: Buffer, changes: Partial<ReleaseConfig['environments'][string]['objects'][number]> = {}) {
  const { config } = honest(configMap('a'))
  const [listed] = config.environments.dev?.objects ?? []
  assert.ok(listed)
  const object = { ...listed, ...changes, sha256: createHash('sha256').update(bytes).digest('hex') }
  const environment = { treeDigest: treeDigest([object]), objects: [object], images: [] }
  const kustomization = { path: 'dev/kustomization.yaml', bytes: writeKustomization([object]) }
  const tar = writeTar([kustomization, { path: `dev/${object.path}`, bytes }])
  return { tar, config: { ...config, environments: { dev: environment } } }
}

test('an object that is not canonical JSON is refused', async () => {
  const text = canonicalJson(configMap('a'))
  const spellings = [
    ` ${text}`,
    text.replace('"v1"', '"\\u0076\\u0031"'),
    `${text.slice(0, -1)},"kind":"ConfigMap"}`,
    '{"a":1',
  ]
  for (const spelling of spellings) {
    const { tar, config } = agreeing(Buffer.from(spelling))
    await refused(tar, config, 'OBJECT_INVALID', /JSON/)
  }
})

test('an object nested without end is refused before it is parsed', async () => {
  const { tar, config } = agreeing(Buffer.from(`{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}`))
  await refused(tar, config, 'OBJECT_INVALID', /nested deeper/)
})

test('an object that is another one than the config says is refused', async () => {
  const { tar, config } = agreeing(Buffer.from(canonicalJson(configMap('b'))))
  await refused(tar, config, 'OBJECT_INVALID', /not the object/)
  const secret = agreeing(Buffer.from(canonicalJson({ ...configMap('a'), apiVersion: 'v2' })))
  await refused(secret.tar, secret.config, 'OBJECT_INVALID', /not the object/)
})

test('what the config lists as an object and is none is refused', async () => {
  for (const text of ['null', '[]', '"text"', '{"a":1}', '{"apiVersion":"v1","kind":"ConfigMap","metadata":null}']) {
    const { tar, config } = agreeing(Buffer.from(text))
    await refused(tar, config, 'OBJECT_INVALID', /not a Kubernetes object/)
  }
})

test('a config that lists an object twice, or in another order, is refused', async () => {
  const { files, config } = honest(configMap('a'), configMap('b'))
  const { dev } = config.environments
  assert.ok(dev)
  const [a, b] = dev.objects
  assert.ok(a && b)
  for (const listed of [
    [a, a, b],
    [b, a],
  ]) {
    const environment = { ...dev, objects: listed, treeDigest: treeDigest(listed) }
    await refused(writeTar(files), { ...config, environments: { dev: environment } }, 'OBJECT_INVALID', /out of order/)
  }
})

test('a layer over the limit is refused before it is unpacked', async () => {
  const { config } = honest(configMap('a'))
  const layer = Buffer.alloc(LIMITS.layerBytesMax + 1)
  await assert.rejects(readLayer(layer, config, 'dev'), (error) => hasCode(error, 'LIMIT_EXCEEDED'))
})

test('a config that lists a path of its own choice is refused', async () => {
  const bytes = Buffer.from(canonicalJson(configMap('a')))
  for (const path of ['../../evil.json', 'shop/configmap/b.json', '/a.json']) {
    const { tar, config } = agreeing(bytes, { path })
    await refused(tar, config, 'OBJECT_INVALID', /not the path/)
  }
})

test('a kustomization that lists something else is refused', async () => {
  const { files, config } = honest(configMap('a'))
  const [, object] = files
  assert.ok(object)
  const length = writeKustomization(config.environments.dev?.objects ?? []).length
  const evil = Buffer.from('resources: [https://evil.example.com]'.padEnd(length))
  await refused(
    writeTar([{ path: 'dev/kustomization.yaml', bytes: evil }, object]),
    config,
    'LAYER_INVALID',
    /does not list what/,
  )
})

test('headers with another mode, owner, time or spelling are refused', async () => {
  const { files, config } = honest(configMap('a'))
  const [kustomization, object] = files
  assert.ok(kustomization && object)
  for (const change of [{ mode: 0o4755 }, { uid: 1000 }, { mtime: new Date(1e12) }, { uname: 'root' }]) {
    const tar = Buffer.concat([entry(kustomization.path, kustomization.bytes, change), writeTar([object])])
    await refused(tar, config, 'LAYER_INVALID', /not written as/)
  }
})

test('a size that lies is refused', async () => {
  const { files, config } = honest(configMap('a'))
  const [kustomization, object] = files
  assert.ok(kustomization && object)
  const head = writeTar([kustomization]).subarray(0, -TAR_END.length)
  const lying = (size: number) =>
    Buffer.concat([
      head,
      tarHeader(object.path, size),
      object.bytes,
      Buffer.alloc(tarPadding(object.bytes.length)),
      TAR_END,
    ])
  await refused(lying(object.bytes.length - 1), config, 'LAYER_INVALID', /padding/)
  await refused(lying(object.bytes.length + 600), config, 'OBJECT_INVALID', /sha256/)
  await refused(lying(LIMITS.objectBytesMax), config, 'LAYER_INVALID', /cut short/)
  await refused(lying(LIMITS.objectBytesMax + 1), config, 'LIMIT_EXCEEDED', /declares/)
  await refused(lying(2 ** 40), config, 'LIMIT_EXCEEDED', /declares/)
})

test('names that other readers take apart from ours are refused: GNU and pax ways to write them, and NUL', async () => {
  const { files, config } = honest(configMap('a'))
  const [kustomization, object] = files
  assert.ok(kustomization && object)
  const record = (text: string) => {
    const length = (digits: number) => digits + 1 + text.length + 1
    return Buffer.from(`${length(String(length(2)).length)} ${text}\n`)
  }
  const pax = (body: Buffer, type: 'ExtendedHeader' | 'OldExtendedHeader' = 'ExtendedHeader') =>
    entry('PaxHeader/path', body, { type })
  const before: readonly (readonly [string, Buffer])[] = [
    ['GNU long name', entry('././@LongLink', Buffer.from('../../evil\0'), { type: 'NextFileHasLongPath' })],
    ['GNU long link', entry('././@LongLink', Buffer.from('/etc/passwd\0'), { type: 'NextFileHasLongLinkpath' })],
    ['pax path that leads out', pax(record('path=../evil'))],
    ['pax path where none is needed', pax(record(`path=${kustomization.path}`))],
    ['pax size', pax(record('size=1'))],
    ['pax link', pax(record('linkpath=/etc/passwd'))],
    ['pax of __proto__', pax(record('__proto__=x'))],
    ['pax that is none', pax(Buffer.from('99999 nonsense'))],
    ['old pax', pax(record('path=x'), 'OldExtendedHeader')],
    ['two pax headers', Buffer.concat([pax(record('path=a')), pax(record('path=b'))])],
    ['sparse file', entry('dev/sparse', Buffer.alloc(0), { type: 'SparseFile' })],
  ]
  for (const [what, bytes] of before)
    await assert.rejects(
      readLayer(gzipSync(Buffer.concat([bytes, writeTar(files)])), config, 'dev'),
      (error) => hasCode(error, 'LAYER_INVALID', 'OBJECT_INVALID'),
      what,
    )
  const named = entry(`${kustomization.path}x`, kustomization.bytes)
  named[kustomization.path.length] = 0
  named[kustomization.path.length + 1] = 0x2f
  const sum = named.subarray(0, 512).reduce((all, byte, at) => all + (at >= 148 && at < 156 ? 0x20 : byte), 0)
  named.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  await refused(Buffer.concat([named, writeTar([object])]), config, 'LAYER_INVALID', /not written as/)
  await refused(
    Buffer.concat([entry('PaxHeader/path', Buffer.alloc(4096, 0x20), { type: 'ExtendedHeader' }), writeTar(files)]),
    config,
    'LIMIT_EXCEEDED',
    /pax header/,
  )
})

test('names that differ in case, or in Unicode form alone, are objects of their own and stay apart', async () => {
  const objects = ['Reader', 'reader', 'caf\u00e9', 'cafe\u0301'].map(
    (name): KubeObject => ({ apiVersion: 'example.com/v1', kind: 'Role', metadata: { name } }),
  )
  const packed = packRelease({ ...about, environments: { dev: objects } })
  const read = await readLayer(packed.layer, packed.release, 'dev')
  assert.deepEqual(
    read.map(({ object }) => object.metadata.name).sort(),
    objects.map(({ metadata }) => metadata.name).sort(),
  )
})

test('a key named __proto__ in an object is data like any other', async () => {
  const object: KubeObject = { ...configMap('a'), data: JSON.parse('{"__proto__":"x","constructor":"y"}') }
  const packed = packRelease({ ...about, environments: { dev: [object] } })
  const [read] = await readLayer(packed.layer, packed.release, 'dev')
  assert.equal(canonicalJson(read?.object.data), '{"__proto__":"x","constructor":"y"}')
})

test('gzip in several members is read as one archive; anything behind the last is refused', async () => {
  const { files, config } = honest(configMap('a'))
  const tar = writeTar(files)
  const members = Buffer.concat([gzipSync(tar.subarray(0, 700)), gzipSync(tar.subarray(700))])
  assert.equal((await readLayer(members, config, 'dev')).length, 1)
  for (const tail of [Buffer.alloc(1), Buffer.alloc(600), Buffer.from('tail'), gzipSync(Buffer.from('x'))])
    await assert.rejects(readLayer(Buffer.concat([gzipSync(tar), tail]), config, 'dev'), (error) =>
      hasCode(error, 'LAYER_INVALID'),
    )
})

test('bytes after the end are refused', async () => {
  const { files, config } = honest(configMap('a'))
  await refused(Buffer.concat([writeTar(files), Buffer.alloc(512)]), config, 'LAYER_INVALID', /follows its end/)
  await refused(writeTar(files).subarray(0, -512), config, 'LAYER_INVALID', /cut short/)
})

test('a bomb is refused once the bytes that are allowed were unpacked, and not one chunk later', async () => {
  const bomb = gzipSync(Buffer.alloc(50_000_000))
  let bytes = 0
  const unpack = async () => {
    for await (const chunk of inflate(bomb, 1_000_000)) bytes += chunk.length
  }
  await assert.rejects(unpack, (error) => hasCode(error, 'LIMIT_EXCEEDED'))
  assert.ok(bytes <= 1_000_000)
})

test('a bomb behind an honest beginning is refused at its first entry', async () => {
  const { files, config } = honest(configMap('a'))
  const bomb = gzipSync(Buffer.concat([writeTar(files).subarray(0, 1024), Buffer.alloc(50_000_000)]))
  await assert.rejects(readLayer(bomb, config, 'dev'), (error) => hasCode(error, 'LAYER_INVALID', 'OBJECT_INVALID'))
})

test('a million entries are refused at the first that is not listed, and the rest stay packed', async () => {
  const { config, files } = honest(configMap('a'))
  const some = gzipSync(Buffer.concat(Array(10_000).fill(entry('dev/a', Buffer.alloc(0)))))
  const million = Buffer.concat(Array(100).fill(some))
  await assert.rejects(readLayer(million, config, 'dev'), (error) => hasCode(error, 'OBJECT_INVALID'))
  const behind = Buffer.concat([gzipSync(writeTar(files).subarray(0, -TAR_END.length)), million])
  const before = process.memoryUsage().arrayBuffers
  await assert.rejects(readLayer(behind, config, 'dev'), (error) => hasCode(error, 'OBJECT_INVALID'))
  assert.ok(process.memoryUsage().arrayBuffers - before < 100_000_000)
})

test('a config that lists more files than a layer may hold is refused before the layer is opened', async () => {
  const { config } = honest(configMap('a'))
  const objects = config.environments.dev?.objects ?? []
  const many = Array.from({ length: 6 }, (_, i) => [
    `e${i}`,
    { treeDigest: '', images: [], objects: Array.from({ length: 20_000 }, () => objects).flat() },
  ])
  await assert.rejects(
    readLayer(
      Buffer.from('not opened'),
      { ...config, environments: Object.fromEntries([...many, ['dev', config.environments.dev]]) },
      'dev',
    ),
    (error) => hasCode(error, 'LIMIT_EXCEEDED'),
  )
})
