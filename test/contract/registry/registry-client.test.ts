import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { MEDIA } from '../../../contract/artifact/artifact.ts'
import { digestOf } from '../../../contract/digest.ts'
import { type ErrorCode, hasCode, WaybillError } from '../../../contract/errors.ts'
import { LIMITS } from '../../../contract/limits.ts'
import { parseRepository } from '../../../contract/reference.ts'
import { type CredentialSource, dockerConfigCredentials } from '../../../contract/registry/credentials.ts'
import { createRegistryReader, type RegistryReaderOptions } from '../../../contract/registry/registry-client.ts'
import { type FakeRegistry, type FakeRegistryOptions, startFakeRegistry } from '../../fakes/registry.ts'

const open: (() => Promise<void>)[] = []
after(async () => {
  for (const close of open) await close()
})

async function start(options: FakeRegistryOptions = {}): Promise<FakeRegistry> {
  const registry = await startFakeRegistry(options)
  open.push(registry.close)
  return registry
}

function read(options: RegistryReaderOptions = {}) {
  const reader = createRegistryReader({ plainHttp: true, ...options })
  open.push(reader.close)
  return reader
}

const shop = (registry: FakeRegistry) => parseRepository(`${registry.host}/acme/shop`)
const manifest = Buffer.from(`{"schemaVersion":2,"mediaType":"${MEDIA.manifest}"}`)
const blob = Buffer.from('a blob of some length, so that half of it is something')
const described = { digest: digestOf(blob), size: blob.length }

function fails(promise: Promise<unknown>, code: ErrorCode, words = /./): Promise<void> {
  return assert.rejects(promise, (error: unknown) => {
    assert.ok(error instanceof WaybillError, String(error))
    assert.equal(error.code, code, error.message)
    assert.match(error.message, words)
    return true
  })
}

const login = (registry: string, username: string, password: string): CredentialSource =>
  dockerConfigCredentials(
    Buffer.from(
      JSON.stringify({ auths: { [registry]: { auth: Buffer.from(`${username}:${password}`).toString('base64') } } }),
    ),
  )

test('a tag is resolved with one HEAD, and a manifest and a blob are read by digest', async () => {
  const registry = await start()
  const digest = registry.putManifest('acme/shop', manifest, { tag: 'production' })
  registry.putBlob('acme/shop', blob)
  const reader = read()
  assert.equal(await reader.resolveTag(shop(registry), 'production'), digest)
  assert.deepEqual(registry.requests, ['HEAD /v2/acme/shop/manifests/production'])
  assert.deepEqual(Buffer.from(await reader.fetchManifest(shop(registry), digest)), manifest)
  assert.deepEqual(Buffer.from(await reader.fetchBlob(shop(registry), described, 1000)), blob)
})

test('where a registry does not say the digest of a tag, it is computed from the manifest', async () => {
  const registry = await start()
  const digest = registry.putManifest('acme/shop', manifest, { tag: 'production' })
  registry.when('HEAD', /manifests/).headers({ 'docker-content-digest': undefined })
  assert.equal(await read().resolveTag(shop(registry), 'production'), digest)
})

test('a tag, manifest or blob that is not there is not found', async () => {
  const registry = await start()
  const reader = read()
  await fails(reader.resolveTag(shop(registry), 'nope'), 'REGISTRY_NOT_FOUND')
  await fails(reader.fetchManifest(shop(registry), digestOf('x')), 'REGISTRY_NOT_FOUND')
  await fails(reader.fetchBlob(shop(registry), described, 1000), 'REGISTRY_NOT_FOUND')
  assert.deepEqual(await reader.fetchBundles(shop(registry), digestOf('x')), [])
})

test('a registry that sends another manifest than the one asked for is caught', async () => {
  const registry = await start()
  const digest = registry.putManifest('acme/shop', manifest)
  registry.when('GET', /manifests/).lie('{"schemaVersion":2,"other":true}')
  await fails(read().fetchManifest(shop(registry), digest), 'DIGEST_MISMATCH')
})

test('a blob of the right length and other bytes is caught', async () => {
  const registry = await start()
  registry.putBlob('acme/shop', blob)
  registry.when('GET', /blobs/).lie(Buffer.alloc(blob.length, 0x61))
  await fails(read().fetchBlob(shop(registry), described, 1000), 'DIGEST_MISMATCH')
})

test('a blob that is longer or shorter than its descriptor says is caught', async () => {
  const registry = await start()
  registry.putBlob('acme/shop', blob)
  registry.when('GET', /blobs/).lie(Buffer.concat([blob, blob]))
  await fails(read().fetchBlob(shop(registry), described, 1000), 'DIGEST_MISMATCH', /descriptor/)
  registry.when('GET', /blobs/).lie('short')
  await fails(read().fetchBlob(shop(registry), described, 1000), 'DIGEST_MISMATCH', /5 bytes, its descriptor/)
})

test('a blob that its descriptor declares too large is not even asked for', async () => {
  const registry = await start()
  await fails(read().fetchBlob(shop(registry), { ...described, size: 1001 }, 1000), 'LIMIT_EXCEEDED')
  assert.deepEqual(registry.requests, [])
})

test('an answer without end is cut off', async () => {
  const registry = await start()
  const digest = registry.putManifest('acme/shop', manifest)
  registry.putBlob('acme/shop', blob)
  registry.when('GET', /manifests|blobs/).flood()
  const reader = read()
  await fails(reader.fetchBlob(shop(registry), described, 1000), 'DIGEST_MISMATCH')
  await fails(reader.fetchManifest(shop(registry), digest), 'LIMIT_EXCEEDED')
})

test('a declared length over the limit is refused before the body', async () => {
  const registry = await start()
  const digest = registry.putManifest('acme/shop', manifest)
  registry.when('GET', /manifests/).headers({ 'content-length': String(LIMITS.manifestBytesMax + 1) })
  await fails(read({ idleMs: 1000 }).fetchManifest(shop(registry), digest), 'LIMIT_EXCEEDED')
})

test('a body that breaks off is told apart from wrong bytes', async () => {
  const registry = await start()
  registry.putBlob('acme/shop', blob)
  registry.when('GET', /blobs/).truncate()
  await fails(read().fetchBlob(shop(registry), described, 1000), 'REGISTRY_UNREACHABLE', /after \d+ bytes/)
})

test('a registry that never answers, or falls silent halfway, is given up', async () => {
  const registry = await start()
  registry.putBlob('acme/shop', blob)
  registry.when('GET', /blobs/).stall()
  await fails(read({ requestMs: 200 }).fetchBlob(shop(registry), described, 1000), 'REGISTRY_UNREACHABLE', /too long/)
  registry.when('GET', /blobs/).stallHalfway()
  await fails(read({ requestMs: 200 }).fetchBlob(shop(registry), described, 1000), 'REGISTRY_UNREACHABLE', /too long/)
})

test('silence is given up long before the whole request is, whatever is being read', async () => {
  const registry = await start()
  registry.putBlob('acme/shop', blob)
  const impatient = read({ idleMs: 300 })
  registry.when('GET', /blobs/).stall()
  await fails(impatient.fetchBlob(shop(registry), described, 1000), 'REGISTRY_UNREACHABLE', /no answer in time/)
  registry.when('GET', /blobs/).stallHalfway()
  await fails(impatient.fetchBlob(shop(registry), described, 1000), 'REGISTRY_UNREACHABLE', /fell silent after \d+/)
})

test('bytes that trickle in without end are given up with the whole request', async () => {
  const registry = await start()
  const digest = registry.putManifest('acme/shop', manifest)
  registry.when('GET', /manifests/).trickle(20)
  await fails(read({ requestMs: 500 }).fetchManifest(shop(registry), digest), 'REGISTRY_UNREACHABLE', /too long/)
})

test('what a registry calls its answer is not believed: the digest says what it is', async () => {
  const registry = await start()
  const digest = registry.putManifest('acme/shop', manifest)
  registry.putBlob('acme/shop', blob)
  registry.when('GET', /./).headers({ 'content-type': 'text/html', 'docker-content-digest': digestOf('another') })
  assert.deepEqual(Buffer.from(await read().fetchManifest(shop(registry), digest)), manifest)
  assert.deepEqual(Buffer.from(await read().fetchBlob(shop(registry), described, 1000)), blob)
})

test('a tag that is said to be at another digest leads to no other bytes', async () => {
  const registry = await start()
  registry.putManifest('acme/shop', manifest, { tag: 'x' })
  registry.when('HEAD', /manifests/).headers({ 'docker-content-digest': digestOf('another') })
  const digest = await read().resolveTag(shop(registry), 'x')
  await fails(read().fetchManifest(shop(registry), digest), 'REGISTRY_NOT_FOUND')
})

test('a registry that hangs up, or is not there, cannot be reached', async () => {
  const registry = await start()
  registry.when('HEAD', /./).hangUp()
  await fails(read().resolveTag(shop(registry), 'x'), 'REGISTRY_UNREACHABLE')
  await fails(read().resolveTag(parseRepository('127.0.0.1:1/acme/shop'), 'x'), 'REGISTRY_UNREACHABLE', /refused/)
})

test('plain HTTP is spoken only when told to, on loopback too', async () => {
  const registry = await start()
  registry.putManifest('acme/shop', manifest, { tag: 'x' })
  await fails(read({ plainHttp: false }).resolveTag(shop(registry), 'x'), 'REGISTRY_UNREACHABLE')
  assert.deepEqual(registry.requests, [])
})

for (const [status, code] of [
  [401, 'REGISTRY_AUTH'],
  [403, 'REGISTRY_AUTH'],
  [404, 'REGISTRY_NOT_FOUND'],
  [418, 'REGISTRY_ANSWER_INVALID'],
  [500, 'REGISTRY_FAILED'],
  [503, 'REGISTRY_FAILED'],
] as const)
  test(`a registry that answers ${status} is ${code}`, async () => {
    const registry = await start()
    const digest = registry.putManifest('acme/shop', manifest, { tag: 'x' })
    registry.when('HEAD', /manifests/).status(status)
    registry.when('GET', /manifests/).status(status)
    await fails(read().resolveTag(shop(registry), 'x'), code)
    await fails(read().fetchManifest(shop(registry), digest), code)
  })

test('a registry that asks to come back later says when', async () => {
  const registry = await start()
  registry.when('HEAD', /./).status(429, { 'retry-after': '17' })
  await assert.rejects(
    read().resolveTag(shop(registry), 'x'),
    (error) => hasCode(error, 'REGISTRY_RATE_LIMITED') && error.retryAfterSeconds === 17,
  )
  registry.when('HEAD', /./).status(429, {
    'retry-after': 'Sat, 21 Nov 2026 10:00:30 GMT',
    date: 'Sat, 21 Nov 2026 10:00:00 GMT',
  })
  await assert.rejects(
    read().resolveTag(shop(registry), 'x'),
    (error) => hasCode(error, 'REGISTRY_RATE_LIMITED') && error.retryAfterSeconds === 30,
  )
})

test('how long to wait is bounded, whatever a registry says, and a token endpoint is listened to as well', async () => {
  const registry = await start({ auth: { scheme: 'bearer', username: 'robot', password: 'sesame-42' } })
  const reader = read({ credentials: login(registry.host, 'robot', 'sesame-42') })
  const date = 'Sat, 21 Nov 2026 10:00:00 GMT'
  for (const [after, seconds] of [
    ['999999999', 3600],
    ['Sat, 21 Nov 2026 09:00:00 GMT', 0],
    ['soon', undefined],
    ['7', 7],
  ] as const) {
    registry.when('GET', /token/).status(429, { 'retry-after': after, date })
    await assert.rejects(
      reader.resolveTag(shop(registry), 'x'),
      (error) => hasCode(error, 'REGISTRY_RATE_LIMITED') && error.retryAfterSeconds === seconds,
    )
  }
  registry.when('GET', /token/).status(503)
  await fails(reader.resolveTag(shop(registry), 'x'), 'REGISTRY_FAILED')
})

test('a referrers failure is a failure, not an absence of signatures', async () => {
  const registry = await start()
  registry.when('GET', /referrers/).status(500)
  await fails(read().fetchBundles(shop(registry), digestOf('x')), 'REGISTRY_FAILED')
})

for (const referrersApi of [true, false])
  test(`attached bundles are found ${referrersApi ? 'by the referrers API' : 'under the fallback tag'}`, async () => {
    const registry = await start({ referrersApi })
    const digest = registry.putManifest('acme/shop', manifest)
    const bundles = ['{"a":1}', '{"b":2}', '{"c":3}'].map((text) => Buffer.from(text))
    for (const bundle of bundles) registry.attachBundle('acme/shop', digest, bundle)
    const found = await read().fetchBundles(shop(registry), digest)
    assert.deepEqual(found.map(String).sort(), bundles.map(String).sort())
  })

test('referrers are read page by page', async () => {
  const registry = await start({ pageSize: 2 })
  const digest = registry.putManifest('acme/shop', manifest)
  for (let i = 0; i < 5; i++) registry.attachBundle('acme/shop', digest, Buffer.from(`{"n":${i}}`))
  assert.equal((await read().fetchBundles(shop(registry), digest)).length, 5)
})

test('a next page at another host is refused', async () => {
  const registry = await start()
  const digest = registry.putManifest('acme/shop', manifest)
  registry.when('GET', /referrers/).headers({ link: '<https://evil.example.com/next>; rel="next"' })
  await fails(read().fetchBundles(shop(registry), digest), 'REGISTRY_REDIRECT')
})

test('pages that never end are refused', async () => {
  const registry = await start()
  const digest = registry.putManifest('acme/shop', manifest)
  registry.when('GET', /referrers/).headers({ link: `</v2/acme/shop/referrers/${digest}>; rel="next"` })
  await fails(read().fetchBundles(shop(registry), digest), 'LIMIT_EXCEEDED')
})

for (const referrersApi of [true, false])
  test(`more referrers than the limit are refused, not cut, ${referrersApi ? 'by the API' : 'under the fallback tag'}`, async () => {
    const registry = await start({ referrersApi })
    const digest = registry.putManifest('acme/shop', manifest)
    for (let i = 0; i <= LIMITS.referrersMax; i++) registry.attachBundle('acme/shop', digest, Buffer.from(`{"n":${i}}`))
    await fails(read().fetchBundles(shop(registry), digest), 'LIMIT_EXCEEDED')
  })

test('bundles that are small each and too much together are refused', async () => {
  const registry = await start()
  const digest = registry.putManifest('acme/shop', manifest)
  const count = LIMITS.bundlesBytesMax / LIMITS.bundleBytesMax + 1
  for (let i = 0; i < count; i++) registry.attachBundle('acme/shop', digest, Buffer.alloc(LIMITS.bundleBytesMax, i))
  await fails(read().fetchBundles(shop(registry), digest), 'LIMIT_EXCEEDED', /bytes of bundles/)
})

test('what else is attached does not hide the bundles', async () => {
  const registry = await start({ referrersApi: false })
  const digest = registry.putManifest('acme/shop', manifest)
  const subject = { mediaType: MEDIA.manifest, digest, size: manifest.length }
  const attach = (value: object) => {
    const referrer = registry.putManifest('acme/shop', Buffer.from(JSON.stringify(value)))
    listed.push({ mediaType: MEDIA.manifest, digest: referrer, size: 1 })
  }
  const listed: object[] = [{ mediaType: MEDIA.manifest, digest: digestOf('gone'), size: 1 }]
  attach({ schemaVersion: 2, subject, layers: [{ mediaType: 'text/plain', digest: digestOf('x'), size: 1 }] })
  attach({ schemaVersion: 2, subject, layers: [{ mediaType: MEDIA.bundle, digest: digestOf('x'), size: 2 ** 40 }] })
  const about = { mediaType: MEDIA.manifest, digest: digestOf('another'), size: 1 }
  const elsewhere = registry.putBlob('acme/shop', Buffer.from('{"another":1}'))
  attach({ schemaVersion: 2, subject: about, layers: [{ mediaType: MEDIA.bundle, digest: elsewhere, size: 13 }] })
  const good = registry.attachBundle('acme/shop', digest, Buffer.from('{"good":1}'))
  listed.push({ mediaType: MEDIA.manifest, digest: good, size: 1 })
  registry.putManifest('acme/shop', Buffer.from(JSON.stringify({ manifests: listed })), {
    tag: digest.replace(':', '-'),
    mediaType: MEDIA.index,
  })
  assert.deepEqual((await read().fetchBundles(shop(registry), digest)).map(String), ['{"good":1}'])
})

test('an answer that is not an OCI index is not the registry speaking', async () => {
  const registry = await start()
  registry.when('GET', /referrers/).lie('<html>')
  await fails(read().fetchBundles(shop(registry), digestOf('x')), 'REGISTRY_ANSWER_INVALID')
})

for (const scheme of ['basic', 'bearer'] as const) {
  const auth = { scheme, username: 'robot', password: 'sesame-42' }

  test(`a login is used where the registry asks for ${scheme}, and remembered`, async () => {
    const registry = await start({ auth })
    registry.putManifest('acme/shop', manifest, { tag: 'x' })
    const reader = read({ credentials: login(registry.host, 'robot', 'sesame-42') })
    await reader.resolveTag(shop(registry), 'x')
    const before = registry.requests.length
    await reader.resolveTag(shop(registry), 'x')
    assert.equal(registry.requests.length, before + 1)
  })

  test(`a wrong login, or none, is REGISTRY_AUTH with ${scheme}, and is never shown`, async () => {
    const registry = await start({ auth })
    registry.putManifest('acme/shop', manifest, { tag: 'x' })
    const wrong = read({ credentials: login(registry.host, 'robot', 'wrong-password') })
    await assert.rejects(wrong.resolveTag(shop(registry), 'x'), (error) => {
      assert.ok(hasCode(error, 'REGISTRY_AUTH'))
      assert.ok(!`${error.message} ${error.stack} ${JSON.stringify(error)}`.includes('wrong-password'))
      return true
    })
    await fails(read().resolveTag(shop(registry), 'x'), 'REGISTRY_AUTH')
  })
}

test('a token that the registry no longer takes is fetched again', async () => {
  const registry = await start({ auth: { scheme: 'bearer', username: 'robot', password: 'sesame-42' } })
  registry.putManifest('acme/shop', manifest, { tag: 'x' })
  const reader = read({ credentials: login(registry.host, 'robot', 'sesame-42') })
  await reader.resolveTag(shop(registry), 'x')
  const realm = `Bearer realm="http://${registry.host}/token",service="fake"`
  registry
    .when('HEAD', /manifests/)
    .times(1)
    .status(401, { 'www-authenticate': realm })
  await reader.resolveTag(shop(registry), 'x')
})

test('a token endpoint that gives no token is not trusted with more', async () => {
  const registry = await start({ auth: { scheme: 'bearer', username: 'robot', password: 'sesame-42' } })
  const reader = read({ credentials: login(registry.host, 'robot', 'sesame-42') })
  registry.when('GET', /token/).lie('{"token":"line\\nbreak"}')
  await fails(reader.resolveTag(shop(registry), 'x'), 'REGISTRY_ANSWER_INVALID')
  registry.when('GET', /token/).redirect('http://127.0.0.1:1/')
  await fails(reader.resolveTag(shop(registry), 'x'), 'REGISTRY_REDIRECT')
})

test('a blob may be elsewhere, and the login does not go along', async () => {
  const registry = await start({ auth: { scheme: 'basic', username: 'robot', password: 'sesame-42' } })
  const storage = await start()
  storage.putBlob('elsewhere', blob)
  registry.when('GET', /blobs/).redirect(`http://${storage.host}/v2/elsewhere/blobs/${described.digest}`)
  const reader = read({ credentials: login(registry.host, 'robot', 'sesame-42') })
  assert.deepEqual(Buffer.from(await reader.fetchBlob(shop(registry), described, 1000)), blob)
  assert.deepEqual(
    storage.seen.map(({ headers }) => headers.authorization),
    [undefined],
  )
})

test('a manifest may not be elsewhere', async () => {
  const registry = await start()
  registry.when('GET', /manifests/).redirect('http://127.0.0.1:1/')
  registry.when('HEAD', /manifests/).redirect('http://127.0.0.1:1/')
  await fails(read().fetchManifest(shop(registry), digestOf('x')), 'REGISTRY_REDIRECT')
  await fails(read().resolveTag(shop(registry), 'x'), 'REGISTRY_REDIRECT')
})

test('what the registry gives for a login elsewhere is a token for reading, and the login goes to it alone', async () => {
  const tokens = await start({ auth: { scheme: 'basic', username: 'robot', password: 'sesame-42' } })
  const registry = await start()
  registry.putManifest('acme/shop', manifest, { tag: 'x' })
  registry
    .when('HEAD', /manifests/)
    .times(1)
    .status(401, {
      'www-authenticate': `Bearer realm="http://${tokens.host}/token",service="s",scope="repository:acme/shop:push,delete"`,
    })
  await read({ credentials: login(registry.host, 'robot', 'sesame-42') }).resolveTag(shop(registry), 'x')
  assert.deepEqual(tokens.requests, ['GET /token?scope=repository%3Aacme%2Fshop%3Apull&service=s'])
  assert.match(String(tokens.seen[0]?.headers.authorization), /^Basic /)
  const given = registry.seen.map(({ headers }) => headers.authorization?.split(' ')[0])
  assert.deepEqual(given, [undefined, 'Bearer'])
})

test('an error’s address does not show what a redirect carries behind its question mark', async () => {
  const registry = await start()
  const storage = await start()
  storage.when('GET', /./).status(403)
  registry.when('GET', /blobs/).redirect(`http://${storage.host}/bucket?X-Amz-Signature=sesame-42`)
  await assert.rejects(read().fetchBlob(shop(registry), described, 1000), (error) => {
    assert.ok(hasCode(error, 'REGISTRY_AUTH'), String(error))
    assert.ok(!`${error.message} ${error.hint}`.includes('sesame-42'))
    return true
  })
})

test('redirects that go round and round end', async () => {
  const registry = await start()
  registry.when('GET', /blobs/).redirect(`/v2/acme/shop/blobs/${described.digest}`)
  await fails(read().fetchBlob(shop(registry), described, 1000), 'REGISTRY_REDIRECT', /more than/)
})

test('not even a registry on loopback may send readers to a metadata address or another protocol', async () => {
  const registry = await start()
  for (const to of [
    'http://169.254.169.254/latest/',
    'http://[fe80::1]/',
    'http://metadata.google.internal/',
    'file:///etc/passwd',
  ]) {
    registry.when('GET', /blobs/).redirect(to)
    await fails(read().fetchBlob(shop(registry), described, 1000), 'REGISTRY_REDIRECT')
  }
})
