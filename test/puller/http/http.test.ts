import assert from 'node:assert/strict'
import { connect, type Socket } from 'node:net'
import { after, test } from 'node:test'
import { hasCode } from '../../../contract/errors.ts'
import { LIMITS } from '../../../contract/limits.ts'
import { type Asked, CONNECTIONS_MAX, listen, type Reply } from '../../../puller/http/http.ts'
import { parseListenAddress } from '../../../puller/http/listen-address.ts'
import { createReadiness } from '../../../puller/http/readiness.ts'
import { createRoutes } from '../../../puller/http/routes.ts'

const ends: (() => Promise<void>)[] = []
after(async () => {
  for (const end of ends) await end()
})

async function serving(answer: (asked: Asked) => Promise<Reply>) {
  const faults: unknown[] = []
  const listener = await listen({ host: '127.0.0.1', port: 0 }, answer, {
    takesBody: (path) => path === '/hook',
    onFault: (error) => void faults.push(error),
  })
  ends.push(() => listener.close())
  const { port } = listener.address
  /** Sends bytes as they are, and what comes back until the connection ends or falls silent. */
  const raw = (bytes: string) =>
    new Promise<string>((resolve) => {
      let text = ''
      const socket = connect(port, '127.0.0.1', () => socket.write(bytes))
      socket
        .on('data', (chunk) => (text += chunk))
        .on('close', () => resolve(text))
        .on('error', () => resolve(text))
    })
  return { faults, raw, port, url: `http://127.0.0.1:${port}` }
}
const echo = async ({ body }: Asked): Promise<Reply> => ({ status: 200, body: String(body.length) })

test('a body that is too long is refused by what it declares and by what comes', async () => {
  const { url, raw } = await serving(echo)
  const max = LIMITS.hookBodyBytesMax
  const post = (body: Buffer) => fetch(`${url}/hook`, { method: 'POST', body })
  assert.equal(await (await post(Buffer.alloc(max))).text(), String(max))
  assert.equal((await post(Buffer.alloc(max + 1))).status, 413)
  const chunk = `10000\r\n${'x'.repeat(0x10000)}\r\n`
  const sent = `POST /hook HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n${chunk.repeat(20)}0\r\n\r\n`
  assert.match(await raw(sent), /^HTTP\/1\.1 413 /)
  assert.equal(await (await fetch(`${url}/other`, { method: 'POST', body: 'x' })).text(), '0', 'not read at all')
})

test('what is no HTTP, breaks off or comes with huge headers ends nothing but its own connection', async () => {
  const { url, raw } = await serving(echo)
  await raw('\u0000\u0001 nonsense\r\n\r\n')
  await raw(`GET / HTTP/1.1\r\nhost: x\r\nbig: ${'x'.repeat(100_000)}\r\n\r\n`)
  await raw('POST /hook HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nx')
  const socket = connect(Number(new URL(url).port), '127.0.0.1', () => {
    socket.write('POST /hook HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nhalf', () => socket.destroy())
  })
  await new Promise((resolve) => socket.on('close', resolve))
  assert.equal((await fetch(`${url}/hook`, { method: 'POST', body: 'abc' })).status, 200)
})

test('a probe is answered however many connections others hold, and those are closed, the idle ones first', async () => {
  const { url, port } = await serving(echo)
  const open = async (bytes: string) => {
    const socket = connect(port, '127.0.0.1').on('error', () => undefined)
    await new Promise((resolve) => socket.once('connect', resolve))
    if (bytes !== '') await new Promise((resolve) => socket.write(bytes, resolve))
    return socket
  }
  const fill = (count: number, bytes: string) => Promise.all(Array.from({ length: count }, () => open(bytes)))
  const left = (sockets: readonly Socket[]) => sockets.filter(({ closed }) => !closed).length
  const probe = async () => (await fetch(`${url}/healthz`, { headers: { connection: 'close' } })).status
  const slow = await fill(CONNECTIONS_MAX / 2, 'POST /hook HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nhalf')
  assert.equal(await probe(), 200)
  const idle = await fill(CONNECTIONS_MAX, '')
  assert.equal(await probe(), 200)
  assert.equal(left(slow), slow.length, 'who asks something is left alone while others are idle')
  assert.ok(left(idle) < idle.length)
  const more = await fill(CONNECTIONS_MAX, 'POST /hook HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nhalf')
  assert.equal(await probe(), 200)
  for (const socket of [...slow, ...idle, ...more]) socket.destroy()
})

test('a fault of ours is a 500 that says nothing, and the next request is answered', async () => {
  let calls = 0
  const { url, faults } = await serving(async () => {
    calls += 1
    if (calls === 1) throw new Error('password=hunter2')
    return { status: 200 }
  })
  const answer = await fetch(url)
  assert.equal(answer.status, 500)
  assert.ok(!(await answer.text()).includes('hunter2'))
  assert.equal(faults.length, 1)
  assert.equal((await fetch(url)).status, 200)
})

test('an address that is taken is said, with the address', async () => {
  const { port } = await serving(echo)
  const again = listen({ host: '127.0.0.1', port }, echo, { takesBody: () => false, onFault: () => {} })
  await assert.rejects(again, (error: Error) => hasCode(error, 'LISTEN_FAILED') && error.message.includes(`:${port}`))
})

test('addresses to listen at are read as people write them', () => {
  assert.deepEqual(parseListenAddress(':8080'), { port: 8080 })
  assert.deepEqual(parseListenAddress('127.0.0.1:0'), { host: '127.0.0.1', port: 0 })
  assert.deepEqual(parseListenAddress('[::1]:80'), { host: '::1', port: 80 })
  for (const text of ['', '8080', ':', ':70000', 'a b:1', '::1:80', 'http://x:1'])
    assert.equal(parseListenAddress(text), undefined, text)
})

test('it is ready when it has its key and its lists, or stands by; each term begins anew', () => {
  const readiness = createReadiness()
  assert.equal(readiness.missing().length, 2)
  readiness.observe({ kind: 'leadership', leads: false })
  assert.deepEqual(readiness.missing(), [])
  readiness.observe({ kind: 'leadership', leads: true })
  readiness.observe({ kind: 'keys-loaded' })
  assert.deepEqual(readiness.missing(), ['Deliveries are not listed'])
  readiness.observe({ kind: 'watches-listed' })
  assert.deepEqual(readiness.missing(), [])
  readiness.observe({ kind: 'leadership', leads: false })
  readiness.observe({ kind: 'leadership', leads: true })
  assert.equal(readiness.missing().length, 2)
})

test('webhooks are not there without a secret, and pages take no POST', async () => {
  const routes = createRoutes({
    metrics: { render: async () => '', contentType: 'text/plain' },
    readiness: createReadiness(),
  })
  const ask = async (method: string, path: string) =>
    (await routes.answer({ method, path, headers: {}, body: new Uint8Array() })).status
  assert.ok(!routes.takesBody('/hooks/zot'))
  assert.deepEqual(
    [
      await ask('POST', '/hooks/zot'),
      await ask('POST', '/metrics'),
      await ask('GET', '/readyz'),
      await ask('GET', '/toString'),
    ],
    [404, 405, 503, 404],
  )
})
