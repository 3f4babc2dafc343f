import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createSocket, type Socket } from 'node:dgram'
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { buildImage } from '../../../tools/image/build-image.ts'
import { readImage, unpackImage } from './read-image.ts'

/** The image without a container: its own files as the root, its own user, what a kubelet mounts, and nothing else. */
const skip = process.getuid?.() === 0 ? false : 'another root is entered by root only'
const ROOT = join(import.meta.dirname, '..', '..', '..')
const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
const folder = mkdtempSync(join(tmpdir(), 'waybill-root-'))
const inside = join(folder, 'inside')
const nameServer = '127.77.0.53'

async function run(...args: readonly string[]): Promise<string> {
  const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/tmp', XDG_CACHE_HOME: '/var/cache' }
  const command = ['--userspec=65532:65532', inside, '/bin/node', ...args]
  return (await promisify(execFile)('chroot', command, { env })).stdout
}

/** Answers that any name has the address 192.0.2.7. */
async function startNameServer(): Promise<Socket> {
  const socket = createSocket('udp4')
  socket.on('message', (query, { port, address }) => {
    const question = query.subarray(12, query.indexOf(0, 12) + 5)
    const head = Buffer.from([...query.subarray(0, 2), 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0])
    const answer = Buffer.from([0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 7])
    socket.send(Buffer.concat([head, question, answer]), port, address)
  })
  await new Promise<void>((resolve) => socket.bind(53, nameServer, resolve))
  return socket
}

describe('out of its own files', { skip }, () => {
  let names: Socket
  before(async () => {
    const image = await buildImage({ folder: join(folder, 'layout'), env: process.env, now: new Date() })
    await unpackImage(readImage(join(folder, 'layout'), image.tag), inside)
    writeFileSync(join(inside, 'etc/hosts'), '127.0.0.1 localhost\n127.0.0.2 registry.example.com\n')
    writeFileSync(join(inside, 'etc/resolv.conf'), `nameserver ${nameServer}\n`)
    names = await startNameServer()
  })
  after(() => {
    names?.close()
    rmSync(folder, { recursive: true })
  })

  test('the program starts', async () => {
    assert.equal(await run('/app/cli/waybill.js', '--version'), `${version}\n`)
    assert.match(await run('/app/cli/waybill.js', 'puller', '--help'), /--leader-elect/)
    assert.match(await run('/app/cli/waybill.js', 'install', '--crds-only'), /kind: CustomResourceDefinition/)
  })

  test('every module of the program is there, with every package that it imports', async () => {
    const modules = globSync('**/*.js', { cwd: join(inside, 'app', 'dist') })
    assert.ok(modules.length > 300)
    const imports = modules.map((file) => `await import('/app/dist/${file}')`)
    writeFileSync(join(inside, 'app', 'all.mjs'), `${imports.join('\n')}\nprocess.stdout.write('all')`)
    assert.equal(await run('/app/all.mjs'), 'all')
  })

  test('names are found in /etc/hosts and by DNS, TLS and keys work, and only two folders may be written', async () => {
    const pair = ['loopback.crt', 'loopback.key'].map((file) => join(ROOT, 'test', 'fixtures', 'tls', file))
    for (const file of [join(import.meta.dirname, 'probe.ts'), ...pair])
      writeFileSync(join(inside, 'app', basename(file)), readFileSync(file))
    const said = await run('/app/probe.ts', 'localhost', 'registry.example.com', 'shop.example.net')
    assert.deepEqual(JSON.parse(said), {
      addresses: ['127.0.0.1', '127.0.0.2', '192.0.2.7'],
      heard: 'over TLS',
      isSigned: true,
      hasRoots: true,
      writable: ['/tmp/a', '/var/cache/waybill/a'],
    })
  })
})
