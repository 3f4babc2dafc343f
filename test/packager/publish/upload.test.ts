import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { type TestContext, test } from 'node:test'
import { MEDIA } from '../../../contract/artifact/artifact.ts'
import { digestOf } from '../../../contract/digest.ts'
import { WaybillError } from '../../../contract/errors.ts'
import { parseRepository } from '../../../contract/reference.ts'
import { dockerConfigCredentials } from '../../../contract/registry/credentials.ts'
import { createSession, type SessionOptions } from '../../../contract/registry/session.ts'
import { EMPTY_CONFIG } from '../../../contract/trust/referrer.ts'
import { createUploader } from '../../../packager/publish/upload.ts'
import { type FakeRegistryOptions, startFakeRegistry } from '../../fakes/registry.ts'
import { fails } from './publish-suite.ts'

const layer = Buffer.from('a layer, in which there is something')
const config = Buffer.from('{"a":"config"}')
const auth = { username: 'robot', password: 'sesame-42' } as const

/** A registry, and one who uploads to it; what oras is asked to push is only written down. */
async function settle(
  t: TestContext,
  options: FakeRegistryOptions & Pick<SessionOptions, 'idleMs' | 'requestMs'> = {},
) {
  const { requestMs, idleMs, ...fake } = options
  const registry = await startFakeRegistry(fake)
  const login = {
    auths: { [registry.host]: { auth: Buffer.from(`${auth.username}:${auth.password}`).toString('base64') } },
  }
  const waits: number[] = []
  const byOras: string[] = []
  const repository = parseRepository(`${registry.host}/acme/shop`)
  const open = () => {
    const session = createSession({
      plainHttp: true,
      credentials: dockerConfigCredentials(Buffer.from(JSON.stringify(login))),
      ...(requestMs === undefined ? {} : { requestMs }),
      ...(idleMs === undefined ? {} : { idleMs }),
    })
    t.after(() => session.close())
    const oras = {
      ready: async () => {},
      pushBlob: async (_: unknown, bytes: Uint8Array) => {
        byOras.push(digestOf(bytes))
        return digestOf(bytes)
      },
      pushManifest: () => assert.fail('no manifest is pushed here'),
      tag: () => assert.fail('nothing is tagged here'),
    }
    const uploader = createUploader({ session, oras, wait: async (ms) => void waits.push(ms) })
    const upload = (bytes: Uint8Array, mediaType: string = MEDIA.layer) =>
      uploader.pushBlob(repository, bytes, mediaType)
    return Object.assign(upload, { session })
  }
  t.after(() => registry.close())
  let told = 0
  /** The methods of what was asked since it was asked last. */
  const sent = () => {
    const found = registry.requests.slice(told).map((request) => request.replace(/ .*$/, ''))
    told += found.length
    return found
  }
  return { registry, repository, waits, byOras, open, upload: open(), sent }
}

/** A place that is not the registry, on another port. */
async function elsewhere(t: TestContext, status: number, thinkMs = 0) {
  const seen: {
    readonly authorization: string | undefined
    readonly url: string | undefined
    readonly bytes: number
  }[] = []
  const server = createServer(async (request, response) => {
    let bytes = 0
    for await (const chunk of request) bytes += chunk.length
    seen.push({ authorization: request.headers.authorization, url: request.url, bytes })
    setTimeout(() => response.writeHead(status).end(), thinkMs)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => void server.close().closeAllConnections())
  const address = server.address()
  return { seen, origin: `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}` }
}

test('a blob takes two requests the first time, and one where the registry has it; what was pushed once takes none', async (t) => {
  const { upload, open, sent } = await settle(t)
  assert.equal(await upload(layer), digestOf(layer))
  // The empty blob is looked for once, and put, as every statement needs it.
  assert.deepEqual(sent(), ['POST', 'HEAD', 'PUT', 'POST', 'PUT'])
  await upload(config)
  assert.deepEqual(sent(), ['POST', 'PUT'])
  for (const bytes of [layer, config, EMPTY_CONFIG]) await upload(bytes)
  assert.deepEqual(sent(), [])
  const later = open()
  for (const bytes of [EMPTY_CONFIG, layer, config]) await later(bytes)
  assert.deepEqual(sent(), ['POST', 'POST', 'POST'])
})

test('where a registry does not mount, a layer that it has is not uploaded again', async (t) => {
  const { upload, open, sent, registry } = await settle(t, { mounts: false })
  await upload(layer)
  sent()
  const later = open()
  await later(layer)
  assert.deepEqual(sent(), ['POST', 'HEAD', 'HEAD'])
  await later(Buffer.from('another layer'))
  assert.deepEqual(sent(), ['HEAD', 'POST', 'PUT'])
  // A statement is signed anew each time: nobody has it.
  await later(Buffer.from('{}}'), MEDIA.bundle)
  assert.deepEqual(sent(), ['POST', 'PUT'])
  registry.when('HEAD', /blobs/).redirect('https://storage.example.com/1')
  await later(Buffer.from('a third layer'))
  assert.deepEqual(sent(), ['HEAD'])
})

for (const scheme of ['basic', 'bearer'] as const)
  test(`a registry that asks for a ${scheme} login gets one that may push, and is asked for it once`, async (t) => {
    const { upload, registry, repository, byOras } = await settle(t, { auth: { scheme, ...auth } })
    await upload(layer)
    await upload(config)
    assert.deepEqual(byOras, [])
    // Who reads is given a token for reading.
    const read = { repository, method: 'HEAD', path: `blobs/${digestOf(layer)}` } as const
    for (let i = 0; i < 2; i++) assert.equal((await upload.session.request(read)).status, 200)
    const scopes = registry.requests.flatMap(
      (request) => /scope=(\S+)/.exec(decodeURIComponent(request))?.[1]?.split('&')[0] ?? [],
    )
    const both = ['repository:acme/shop:pull,push', 'repository:acme/shop:pull']
    assert.deepEqual(scopes, scheme === 'bearer' ? both : [])
    const bare = registry.seen.filter(
      ({ headers, path }) => headers.authorization === undefined && !path.includes('/token'),
    )
    assert.equal(bare.length, 2)
  })

test('a login that is refused is tried by oras, which may know another way to log in', async (t) => {
  for (const scheme of ['basic', 'bearer'] as const) {
    const { upload, byOras } = await settle(t, { auth: { scheme, username: 'robot', password: 'another' } })
    await upload(layer)
    assert.deepEqual(byOras, [digestOf(layer)])
  }
})

for (const status of [400, 404, 405, 501])
  test(`a registry that answers ${status} to our way of uploading gets its blobs from oras`, async (t) => {
    for (const method of ['POST', 'PUT']) {
      const { upload, registry, byOras, sent } = await settle(t)
      registry.when(method, /blobs/).status(status)
      await upload(layer)
      sent()
      await upload(config)
      assert.deepEqual(byOras, [digestOf(layer), digestOf(config)])
      assert.deepEqual(sent(), [])
    }
  })

test('the place to upload to is used as the registry gives it: relative, whole, and with a query of its own', async (t) => {
  const { registry, repository } = await settle(t)
  for (const location of [
    '/v2/acme/shop/blobs/uploads/1?_state=a%2Fb%3D&x',
    `http://${registry.host}/v2/acme/shop/blobs/uploads/2`,
  ]) {
    const { upload, registry: own, byOras } = await settle(t)
    own.when('POST', /blobs/).headers({ location: location.replace(registry.host, own.host) })
    await upload(layer)
    assert.deepEqual(byOras, [])
    const [, put = ''] = own.requests.filter((request) => request.startsWith('PUT '))
    const path = location.slice(location.indexOf('/v2/'))
    const digest = encodeURIComponent(digestOf(layer))
    assert.equal(put, `PUT ${path}${path.includes('?') ? '&' : '?'}digest=${digest}`)
  }
  assert.equal(repository.path, 'acme/shop')
})

test('a place to upload to on another host gets the bytes and no login', async (t) => {
  const storage = await elsewhere(t, 201)
  const { upload, registry } = await settle(t, { auth: { scheme: 'basic', ...auth } })
  registry
    .when('POST', /blobs/)
    .after(2)
    .headers({ location: `${storage.origin}/bucket/1?signature=abc` })
  await upload(layer)
  const digest = encodeURIComponent(digestOf(layer))
  assert.deepEqual(storage.seen, [
    { authorization: undefined, url: `/bucket/1?signature=abc&digest=${digest}`, bytes: layer.length },
  ])
})

test('where another host does not take the bytes, oras is not sent after it, and its address is not told whole', async (t) => {
  const storage = await elsewhere(t, 403)
  const { upload, registry, byOras } = await settle(t, { auth: { scheme: 'basic', ...auth } })
  registry
    .when('POST', /blobs/)
    .after(2)
    .headers({ location: `${storage.origin}/bucket/1?signature=abc` })
  await assert.rejects(upload(layer), (error) => {
    assert.ok(error instanceof WaybillError)
    assert.equal(error.code, 'REGISTRY_AUTH')
    assert.doesNotMatch(`${error.message} ${error.hint}`, /signature|abc|sesame/)
    return true
  })
  assert.deepEqual(byOras, [])
})

test('a place to upload to that no registry may send anybody to is refused', async (t) => {
  const { upload, registry, byOras } = await settle(t)
  registry.when('POST', /blobs/).headers({ location: 'http://169.254.169.254/latest/1' })
  await fails(upload(layer), 'REGISTRY_REDIRECT', /link-local/)
  assert.deepEqual(byOras, [])
})

test('an upload that is too large says so, with its size, and is not tried again', async (t) => {
  const { upload, registry, sent, waits, byOras } = await settle(t)
  registry.when('PUT', /blobs/).after(1).status(413)
  await fails(upload(layer), 'LIMIT_EXCEEDED', /36 bytes/)
  assert.equal(sent().filter((method) => method === 'PUT').length, 2)
  assert.deepEqual([waits, byOras], [[], []])
})

test('a registry that asks to come back, or has trouble of its own, is asked again when it said, and given up in the end', async (t) => {
  const { upload, registry, waits } = await settle(t, { mounts: false })
  registry.when('POST', /blobs/).times(1).status(429, { 'retry-after': '7' })
  registry.when('PUT', /blobs/).after(1).times(1).status(503)
  await upload(layer)
  assert.deepEqual(waits, [7000, 2000])
  registry.when('PUT', /blobs/).status(429)
  await fails(upload(config), 'REGISTRY_RATE_LIMITED')
  assert.deepEqual(waits.slice(2), [1000, 2000, 4000, 8000])
})

test('an upload that breaks off is begun again once, then it is said', async (t) => {
  const { upload, registry, byOras } = await settle(t, { mounts: false })
  registry.when('PUT', /blobs/).after(1).times(1).hangUp()
  await upload(layer)
  registry.when('PUT', /blobs/).hangUp()
  await fails(upload(config), 'REGISTRY_UNREACHABLE')
  assert.deepEqual(byOras, [])
})

test('a registry may think about what was uploaded for longer than it may be silent else, and not for ever', async (t) => {
  const slow = await elsewhere(t, 201, 2000)
  const { upload, registry } = await settle(t, { idleMs: 100, requestMs: 10_000 })
  registry.when('POST', /blobs/).headers({ location: slow.origin })
  await upload(layer)
  const { upload: another, registry: silent } = await settle(t, { requestMs: 200 })
  silent.when('PUT', /blobs/).stall()
  await fails(another(layer), 'REGISTRY_UNREACHABLE', /too long/)
})

test('without oras nothing is uploaded', async (t) => {
  const { registry, repository } = await settle(t)
  const session = createSession({ plainHttp: true })
  t.after(() => session.close())
  const missing = async () => {
    throw new WaybillError('TOOL_MISSING', 'oras: there is no such program')
  }
  const oras = { ready: missing, pushBlob: missing, pushManifest: missing, tag: missing }
  const uploader = createUploader({ session, oras, wait: async () => {} })
  await fails(uploader.pushBlob(repository, layer, MEDIA.layer), 'TOOL_MISSING')
  assert.deepEqual(registry.requests, [])
})
