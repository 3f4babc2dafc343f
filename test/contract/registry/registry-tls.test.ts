import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { request as ask, createServer } from 'node:http'
import { connect } from 'node:net'
import { after, test } from 'node:test'
import { digestOf } from '../../../contract/digest.ts'
import { hasCode } from '../../../contract/errors.ts'
import { parseRepository } from '../../../contract/reference.ts'
import { createRegistryReader } from '../../../contract/registry/registry-client.ts'
import { startFakeRegistry } from '../../fakes/registry.ts'

const fixture = (name: string) => readFileSync(new URL(`../../fixtures/tls/${name}`, import.meta.url), 'utf8')
const cert = fixture('loopback.crt')
const secure = await startFakeRegistry({ tls: { cert, key: fixture('loopback.key') } })
const plain = await startFakeRegistry()
const tunnels: string[] = []
const logins: (string | undefined)[] = []
const proxy = createServer((request, response) => {
  // Plain HTTP is not tunnelled: the proxy is asked for the whole address.
  tunnels.push(request.url ?? '')
  const onward = ask(request.url ?? '', { method: request.method ?? '', headers: request.headers }, (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.headers)
    answer.pipe(response)
  })
  request.pipe(onward)
}).on('connect', (request, socket) => {
  tunnels.push(request.url ?? '')
  logins.push(request.headers['proxy-authorization'])
  const [host = '', port = ''] = (request.url ?? '').split(':')
  const onward = connect(Number(port), host, () => {
    socket.write('HTTP/1.1 200 OK\r\n\r\n')
    socket.pipe(onward).pipe(socket)
  })
  onward.on('error', () => socket.destroy())
  socket.on('error', () => onward.destroy())
})
await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
const address = proxy.address()
const proxyUrl = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`
after(async () => {
  await Promise.all([secure.close(), plain.close()])
  proxy.closeAllConnections()
  proxy.close()
})

const manifest = Buffer.from('{"schemaVersion":2}')
const digest = secure.putManifest('acme/shop', manifest, { tag: 'x' })
const repository = parseRepository(`${secure.host}/acme/shop`)

test('a registry whose certificate nobody vouches for cannot be reached', async () => {
  const reader = createRegistryReader()
  await assert.rejects(
    reader.resolveTag(repository, 'x'),
    (error) => hasCode(error, 'REGISTRY_UNREACHABLE') && /TLS: DEPTH_ZERO/.test(error.message),
  )
  await reader.close()
})

test('a certificate authority of one’s own is trusted when given', async () => {
  const reader = createRegistryReader({ ca: cert })
  assert.equal(await reader.resolveTag(repository, 'x'), digest)
  await reader.close()
})

test('a registry with TLS cannot send readers, or their logins, to plain HTTP', async () => {
  const reader = createRegistryReader({
    ca: cert,
    credentials: async () => ({ kind: 'basic', username: 'robot', password: 'sesame-42' }),
  })
  secure.when('GET', /blobs/).redirect(`http://${plain.host}/v2/acme/shop/blobs/x`)
  const blob = { digest: digestOf('x'), size: 1 }
  await assert.rejects(reader.fetchBlob(repository, blob, 10), (error) => hasCode(error, 'REGISTRY_REDIRECT'))
  const realm = `Bearer realm="http://${plain.host}/token"`
  secure.when('HEAD', /manifests/).status(401, { 'www-authenticate': realm })
  await assert.rejects(reader.resolveTag(repository, 'x'), (error) => hasCode(error, 'REGISTRY_REDIRECT'))
  assert.deepEqual(plain.requests, [])
  secure.behave()
  await reader.close()
})

test('a proxy is used when given, and not for what NO_PROXY names', async () => {
  const through = createRegistryReader({ ca: cert, proxy: { https: proxyUrl } })
  assert.equal(await through.resolveTag(repository, 'x'), digest)
  assert.deepEqual(tunnels, [secure.host])
  await through.close()
  const around = createRegistryReader({ ca: cert, proxy: { https: proxyUrl, no: '127.0.0.1' } })
  assert.equal(await around.resolveTag(repository, 'x'), digest)
  assert.deepEqual(tunnels, [secure.host])
  await around.close()
})

test('what stands behind a proxy is asked with the proxy’s login, and plain HTTP by its whole address', async () => {
  tunnels.length = 0
  const login = proxyUrl.replace('http://', 'http://ada:p%40ss@')
  const through = createRegistryReader({ ca: cert, proxy: { https: login } })
  assert.equal(await through.resolveTag(repository, 'x'), digest)
  assert.equal(logins.at(-1), `Basic ${Buffer.from('ada:p@ss').toString('base64')}`)
  assert.equal(secure.seen.at(-1)?.headers['proxy-authorization'], undefined)
  await through.close()
  plain.putManifest('acme/shop', manifest, { tag: 'x' })
  const other = createRegistryReader({ plainHttp: true, proxy: { http: proxyUrl } })
  await other.resolveTag(parseRepository(`${plain.host}/acme/shop`), 'x')
  assert.equal(tunnels.at(-1), `http://${plain.host}/v2/acme/shop/manifests/x`)
  await other.close()
})

test('a proxy for HTTPS is not one for HTTP', async () => {
  tunnels.length = 0
  plain.putManifest('acme/shop', manifest, { tag: 'x' })
  const reader = createRegistryReader({ plainHttp: true, proxy: { https: proxyUrl } })
  await reader.resolveTag(parseRepository(`${plain.host}/acme/shop`), 'x')
  assert.deepEqual(tunnels, [])
  await reader.close()
})
