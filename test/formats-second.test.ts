import assert from 'node:assert/strict'
import { createHash, createPublicKey, verify } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { gunzipSync, gzipSync } from 'fflate'

import { tarHeader } from '../contract/artifact/tar.ts'

/**
 * A second implementation of docs/FORMAT.md, of nothing but this page: it shares no line with the contract. What it makes out of the
 * objects of test/formats/v1 must be, byte for byte, what is stored there.
 */
const V1 = join(import.meta.dirname, 'formats/v1')
const blob = (digest: string) => readFileSync(join(V1, 'layout/blobs/sha256', digest.replace('sha256:', '')))
const hex = (bytes: Uint8Array | string) => createHash('sha256').update(bytes).digest('hex')
const bytewise = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b))

/** What stands in the files is looked at as it is. */
type Found = ReturnType<typeof JSON.parse>
const [entry]: Found[] = JSON.parse(readFileSync(join(V1, 'layout/index.json'), 'utf8')).manifests
const manifest: Found = JSON.parse(String(blob(entry.digest)))
const config: Found = JSON.parse(String(blob(manifest.config.digest)))
const layer = blob(manifest.layers[0].digest)
const files = untar(Buffer.from(gunzipSync(layer)))

/** RFC 8785, as far as these files need it: keys sorted by UTF-16 units, no white space. */
function canonical(value: Found): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const members = Object.keys(value).sort()
  return `{${members.map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`).join(',')}}`
}

function untar(tar: Buffer): Map<string, Buffer> {
  const found = new Map<string, Buffer>()
  for (let at = 0; tar[at] !== 0; ) {
    const text = (from: number, size: number) => String(tar.subarray(at + from, at + from + size)).replace(/\0.*$/s, '')
    const size = Number.parseInt(text(124, 12), 8)
    const path = [text(345, 155), text(0, 100)].filter(Boolean).join('/')
    found.set(path, tar.subarray(at + 512, at + 512 + size))
    at += 512 + Math.ceil(size / 512) * 512
  }
  return found
}

/** The header of a file, with the pax header before it where one is needed. */
function header(path: string, size: number): Buffer {
  const at = [...path].flatMap((char, i) => (char === '/' && i <= 155 ? [i] : [])).at(-1) ?? 0
  const [prefix, name] = path.length < 100 ? ['', path] : [path.slice(0, at), path.slice(at + 1)]
  if (name.length <= 100) return block(name, prefix, size, '0')
  const record = (length: number): string => {
    const text = `${length} path=${path}\n`
    return text.length === length ? text : record(text.length)
  }
  const body = Buffer.from(record(0))
  const padding = Buffer.alloc((512 - (body.length % 512)) % 512)
  return Buffer.concat([
    block('PaxHeader/path', '', body.length, 'x'),
    body,
    padding,
    block(name.slice(0, 99), prefix, size, '0'),
  ])
}

function block(name: string, prefix: string, size: number, type: string): Buffer {
  const made = Buffer.alloc(512)
  const number = (value: number, at: number, width: number) =>
    made.write(`${value.toString(8).padStart(width - 2, '0')} \0`, at)
  made.write(name)
  number(0o644, 100, 8)
  for (const at of [108, 116, 329, 337]) number(0, at, 8)
  number(size, 124, 12)
  number(0, 136, 12)
  made.write(`        ${type}`, 148)
  made.write('ustar\x0000', 257)
  made.write(prefix, 345)
  number(
    made.reduce((all, byte) => all + byte, 0),
    148,
    8,
  )
  return made
}

function encoded(text: string): string {
  const bytes = [...Buffer.from(text)].map((byte) => {
    const char = String.fromCharCode(byte)
    return /[A-Za-z0-9.-]/.test(char) ? char : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  })
  return bytes.join('').replace(/^\./, '%2E')
}

function pathOf({ apiVersion, kind, metadata }: Found): string {
  const group = apiVersion.includes('/') ? `.${apiVersion.split('/')[0]}` : ''
  const folder = metadata.namespace === undefined ? '_' : encoded(metadata.namespace)
  return `${folder}/${encoded(`${kind}${group}`.toLowerCase())}/${encoded(metadata.name)}.json`
}

/** The config's entry for an environment, and its files, from its objects alone. */
function environmentOf(name: string) {
  const stored = [...files].filter(([path]) => path.startsWith(`${name}/`) && path.endsWith('.json'))
  const objects = stored
    .map(([, bytes]) => JSON.parse(String(bytes)))
    .map((object) => ({ object, path: pathOf(object), text: canonical(object) }))
    .sort((a, b) => bytewise(a.path, b.path))
  const listed = objects.map(({ object: { apiVersion, kind, metadata }, path, text }) => ({
    ...{ apiVersion, kind, name: metadata.name, path, sha256: hex(text) },
    ...(metadata.namespace === undefined ? {} : { namespace: metadata.namespace }),
  }))
  const treeDigest = `sha256:${hex(listed.map(({ sha256, path }) => `${sha256}  ${path}\n`).join(''))}`
  const images = new Set(
    objects.flatMap(({ text }) => [...text.matchAll(/"image":"([^"]+)"/g)].map(([, image]) => image)),
  )
  const resources = listed.map(({ path }) => `\n  - ${JSON.stringify(path)}`).join('')
  const kustomization = `apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:${resources || ' []'}\n`
  const written: [string, string][] = objects.map(({ path, text }) => [`${name}/${path}`, text])
  return {
    listing: { treeDigest, objects: listed, images: [...images].sort() },
    files: [...written, [`${name}/kustomization.yaml`, kustomization] as [string, string]],
  }
}

test('FORMAT alone leads from the objects of format 1 to its digest', () => {
  const names = [...new Set([...files.keys()].map((path) => String(path.split('/')[0])))]
  const environments = names.map((name) => ({ name, ...environmentOf(name) }))
  const blocks = environments
    .flatMap((one) => one.files)
    .sort(([a], [b]) => bytewise(a, b))
    .flatMap(([path, text]) => {
      const bytes = Buffer.from(text)
      return [header(path, bytes.length), bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)]
    })
  const tar = Buffer.concat([...blocks, Buffer.alloc(1024)])
  assert.ok(tar.equals(gunzipSync(layer)), 'the archive')
  const packed = gzipSync(tar, { level: 6, mtime: 0 })
  assert.equal(hex(packed), hex(layer))

  const { package: pack, source, kubernetes } = config
  const made = canonical({
    ...{ schemaVersion: 1, package: pack, source, kubernetes },
    environments: Object.fromEntries(environments.map(({ name, listing }) => [name, listing])),
  })
  assert.equal(made, String(blob(manifest.config.digest)))
  const title = 'org.opencontainers.image.title'
  const whole = canonical({
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    artifactType: 'application/vnd.waybill.release.v1',
    config: {
      mediaType: 'application/vnd.waybill.release.config.v1+json',
      ...{ digest: `sha256:${hex(made)}`, size: Buffer.byteLength(made) },
    },
    layers: [
      {
        mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
        ...{ digest: `sha256:${hex(packed)}`, size: packed.length },
        annotations: { [title]: `${pack.name}.tar.gz` },
      },
    ],
    annotations: {
      'org.opencontainers.image.created': source.committedAt,
      'org.opencontainers.image.revision': source.revision,
      'org.opencontainers.image.source': source.repository,
      [title]: pack.name,
    },
  })
  assert.equal(`sha256:${hex(whole)}`, entry.digest)
})

test('FORMAT alone leads to believing the statements of format 1', () => {
  const key = createPublicKey(readFileSync(join(V1, 'key.pub')))
  const hint = createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest('base64')
  for (const file of readdirSync(join(V1, 'bundles'))) {
    const bundle: Found = JSON.parse(readFileSync(join(V1, 'bundles', file), 'utf8'))
    const { payload, payloadType, signatures } = bundle.dsseEnvelope
    assert.deepEqual(
      [bundle.verificationMaterial.publicKey.hint, signatures.length, signatures[0].keyid],
      [hint, 1, undefined],
    )
    const body = Buffer.from(payload, 'base64')
    const signed = Buffer.concat([Buffer.from(`DSSEv1 ${payloadType.length} ${payloadType} ${body.length} `), body])
    assert.ok(verify('sha256', signed, key, Buffer.from(signatures[0].sig, 'base64')), file)
    const { _type, subject, predicateType } = JSON.parse(String(body))
    assert.equal(_type, 'https://in-toto.io/Statement/v1')
    assert.deepEqual(subject, [{ digest: { sha256: entry.digest.slice('sha256:'.length) } }])
    const role = `| ${file.replace('.json', '')} `
    const page = readFileSync(join(import.meta.dirname, '../docs/FORMAT.md'), 'utf8')
    assert.ok(
      page.split('\n').some((line) => line.startsWith(role) && line.includes(`\`${predicateType}\``)),
      role,
    )
  }
})

test('headers for paths of every length are written as FORMAT says', () => {
  for (let length = 10; length <= 420; length++)
    for (const segment of [9, 40, 63, 90, 101, 150, 160, 204]) {
      const path = `dev/${'x'.repeat(segment)}/${'y'.repeat(length)}`.slice(0, length).replace(/\/$/, 'z')
      assert.ok(header(path, length).equals(tarHeader(path, length)), path)
    }
})
