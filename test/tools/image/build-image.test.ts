import assert from 'node:assert/strict'
import { appendFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { hasCode } from '../../../contract/errors.ts'
import { type BuiltImage, buildImage, type ImageOptions, requireSmall } from '../../../tools/image/build-image.ts'
import { compressedBytesMax, IMAGE_CONFIG } from '../../../tools/image/image-config.ts'
import { makeKey } from '../../fakes/keys.ts'
import { cloneOf, commitSources, git } from './checkouts.ts'
import { type Listed, listLayer, readImage } from './read-image.ts'

const root = mkdtempSync(join(tmpdir(), 'waybill-build-image-'))
after(() => rmSync(root, { recursive: true }))
const options = { env: { PATH: process.env.PATH, HOME: root }, now: new Date('2026-11-21T12:00:00Z') }
const layout = join(root, 'layout')
const { name, version } = JSON.parse(readFileSync(join(import.meta.dirname, '../../../package.json'), 'utf8'))

let one: string
let built: BuiltImage
let listed: readonly Listed[]
before(async () => {
  one = commitSources(join(root, 'one'))
  built = await buildImage({ ...options, root: one, folder: layout, source: 'https://git.example.com/waybill' })
  listed = (await Promise.all(readImage(layout, version).layerFiles.map(listLayer))).flat()
})

describe('the image of a commit', () => {
  test('is the same from another clone, built into another folder at another time', async () => {
    const two = cloneOf(one, join(root, 'elsewhere', 'two'))
    const now = new Date('2027-01-01T00:00:00Z')
    const source = 'https://git.example.com/waybill'
    const again = await buildImage({ ...options, now, root: two, folder: join(root, 'other', 'layout'), source })
    assert.equal(again.digest, built.digest)
  })

  test('says what it is, of which commit, and how it is run', () => {
    const { config, manifest } = readImage(layout, version)
    const revision = git(one, 'rev-parse', 'HEAD')
    const said = {
      'org.opencontainers.image.created': '2026-11-21T10:00:00Z',
      'org.opencontainers.image.licenses': 'Apache-2.0',
      'org.opencontainers.image.revision': revision,
      'org.opencontainers.image.source': 'https://git.example.com/waybill',
      'org.opencontainers.image.title': name,
      'org.opencontainers.image.version': version,
    }
    assert.deepEqual(manifest.annotations, said)
    assert.deepEqual(config.config, { ...IMAGE_CONFIG, Labels: said })
    assert.equal(built.platform, `${config.os}/${config.architecture}`)
    assert.equal(config.created, '2026-11-21T10:00:00Z')
  })

  test('holds Node, its libraries, the program with its packages, and nothing that could start anything else', () => {
    const files = listed.filter(({ type }) => type !== 'Directory').map(({ path }) => path)
    const outside = files.filter(
      (path) => !/^(?:app|usr\/share\/doc)\//.test(path) && !/(?:^|\/)lib(?:64)?\//.test(path),
    )
    assert.deepEqual(outside.toSorted(), [
      'bin/node',
      'etc/group',
      'etc/nsswitch.conf',
      'etc/passwd',
      'etc/ssl/certs/ca-certificates.crt',
    ])
    const libraries = files.filter((path) => /(?:^|\/)lib(?:64)?\//.test(path) && !path.startsWith('app/'))
    assert.deepEqual(
      libraries.filter(
        (path) => !/\/(?:ld-linux[\w.-]*|lib(?:c|m|dl|pthread|stdc\+\+|gcc_s|atomic))\.so\.\d+$/.test(path),
      ),
      [],
    )
    assert.ok(libraries.length >= 4, libraries.join())
    const executable = listed
      .filter(({ type, mode = 0 }) => type === 'File' && (mode & 0o111) !== 0)
      .map(({ path }) => path)
    assert.deepEqual(executable.toSorted(), ['bin/node', ...libraries].toSorted())
    const app = new Set(files.filter((path) => path.startsWith('app/')).map((path) => path.split('/')[1]))
    assert.deepEqual([...app].toSorted(), ['LICENSE', 'cli', 'dist', 'node_modules', 'package.json'])
  })

  test('has nothing setuid, and nothing writable but the two folders that are meant to be', () => {
    const bits = (one: Listed, mask: number) => ((one.mode ?? 0) & mask) !== 0
    assert.deepEqual(
      listed.filter((one) => bits(one, 0o6000)).map(({ path }) => path),
      [],
    )
    const writable = listed.filter((one) => bits(one, 0o022)).map(({ path, mode }) => [path, mode])
    assert.deepEqual(writable, [['tmp/', 0o1777]])
    const owned = listed.filter(({ uid, gid }) => uid !== 0 || gid !== 0).map(({ path, uid, gid }) => [path, uid, gid])
    assert.deepEqual(owned, [['var/cache/waybill/', 65532, 65532]])
    assert.deepEqual(new Set(listed.map(({ type }) => type)), new Set(['Directory', 'File']))
  })

  test('has no more bytes than may be pulled', () => {
    assert.ok(built.compressedBytes <= compressedBytesMax)
    assert.equal(
      built.compressedBytes,
      readImage(layout, version).manifest.layers.reduce((sum, { size }) => sum + size, 0),
    )
    assert.throws(
      () => requireSmall(compressedBytesMax + 1),
      (error) => hasCode(error, 'LIMIT_EXCEEDED'),
    )
  })
})

describe('wrong input', () => {
  const other = join(root, 'other-layout')
  const rejects = (code: Parameters<typeof hasCode>[1], message: RegExp, given: Partial<ImageOptions>) =>
    assert.rejects(
      buildImage({ ...options, root: one, folder: other, ...given }),
      (error) => hasCode(error, code) && message.test(`${error.message} ${error.hint}`),
    )

  test('what differs from the commit is not signed, and a new file in a folder of sources is a difference', async () => {
    const dirty = cloneOf(one, join(root, 'dirty'))
    writeFileSync(join(dirty, 'cli', 'new.ts'), 'export {}\n')
    await rejects('BUILD_CONTRADICTED', /cli\/new\.ts.*without --key/, { root: dirty, key: makeKey() })
  })

  test('a folder that holds something else is left alone', async () => {
    const taken = join(root, 'taken')
    mkdirSync(taken)
    writeFileSync(join(taken, 'thesis.txt'), 'mine')
    await rejects('FILE_EXISTS', /taken: holds thesis\.txt/, { folder: taken })
    assert.deepEqual(readdirSync(taken), ['thesis.txt'])
    await rejects('DISK_FAILED', /thesis\.txt/, { folder: join(taken, 'thesis.txt', 'image') })
  })

  test('packages that are not the ones locked are named', async () => {
    const bare = join(root, 'bare')
    git(root, 'clone', '-q', one, bare)
    await rejects('TOOL_VERSION', /commander@.*npm ci/, { root: bare })
    assert.deepEqual(
      readdirSync(root).filter((file) => file.includes('other-layout')),
      [],
    )
  })

  test('a program that does not compile says why', async () => {
    const broken = cloneOf(one, join(root, 'broken'))
    appendFileSync(join(broken, 'contract', 'digest.ts'), "export const wrong: number = 'text'\n")
    await rejects('TOOL_FAILED', /contract\/digest\.ts.*TS2322/s, { root: broken })
  })
})
