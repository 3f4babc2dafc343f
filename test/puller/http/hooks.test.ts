import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { follows } from '../../../puller/http/follows.ts'
import { HOOK_FORMS } from '../../../puller/http/hook-forms.ts'
import { createHooks } from '../../../puller/http/hooks.ts'
import { FakeClock } from '../fake-clock.ts'

const SECRET = 'a secret of the registry'
const bearer = { authorization: `Bearer ${SECRET}` }

function hooks(secret = SECRET) {
  const clock = new FakeClock()
  const told: string[] = []
  const lookSooner = (repositories: readonly string[]) => told.push(...repositories)
  const answer = createHooks({ secret: async () => secret, lookSooner, clock })
  const post = async (form: string, body: unknown, headers: Record<string, string> = bearer) => {
    const bytes = Buffer.from(typeof body === 'string' ? body : JSON.stringify(body))
    return (await answer(form, { method: 'POST', path: `/hooks/${form}`, headers, body: bytes })).status
  }
  return { clock, told, post, answer }
}
const signed = (body: unknown, secret = SECRET) => ({
  'x-hub-signature-256': `sha256=${createHmac('sha256', secret).update(JSON.stringify(body)).digest('hex')}`,
})

/** As each registry sends them: reduced to what tells the repository. */
const BODIES: Readonly<Record<string, readonly [form: string, body: object, repository: string]>> = {
  'CNCF Distribution': [
    'distribution',
    { events: [{ id: 'x', action: 'push', target: { mediaType: 'x', repository: 'acme/shop', tag: 'production' } }] },
    'acme/shop',
  ],
  Harbor: [
    'harbor',
    {
      type: 'PUSH_ARTIFACT',
      event_data: { resources: [{ tag: 'production' }], repository: { name: 'shop', repo_full_name: 'acme/shop' } },
    },
    'acme/shop',
  ],
  'Harbor in CloudEvents': [
    'harbor',
    { specversion: '1.0', type: 'harbor.artifact.pushed', data: { repository: { repo_full_name: 'acme/shop' } } },
    'acme/shop',
  ],
  'zot, binary': ['zot', { name: 'acme/shop', reference: 'production', digest: 'sha256:x' }, 'acme/shop'],
  'zot, structured': [
    'zot',
    { specversion: '1.0', type: 'zotregistry.image.updated', data: { name: 'acme/shop' } },
    'acme/shop',
  ],
}

for (const [what, [form, body, repository]] of Object.entries(BODIES))
  test(`${what} tells of a push with the secret, and of nothing without`, async () => {
    const { told, post } = hooks()
    assert.equal(await post(form, body, {}), 401)
    assert.equal(await post(form, body, { authorization: 'Bearer a secret of the registrz' }), 401)
    assert.deepEqual(told, [])
    assert.equal(await post(form, body), 202)
    assert.equal(await post(form, body, { authorization: SECRET }), 202)
    assert.deepEqual([...new Set(told)], [repository])
  })

for (const event of ['registry_package', 'package'])
  test(`GitHub tells of ${event} signed over the body, and not over another`, async () => {
    const { told, post } = hooks()
    const body = { action: 'published', [event]: { name: 'Shop', namespace: 'Acme', package_type: 'CONTAINER' } }
    assert.equal(await post('github', body, bearer), 401)
    assert.equal(await post('github', body, signed({ ...body, action: 'other' })), 401)
    assert.equal(await post('github', body, signed(body, 'another secret of nobody')), 401)
    assert.equal(await post('github', body, signed(body)), 202)
    assert.ok(told.includes('acme/shop'))
    assert.equal(await post('github', { zen: 'x' }, { ...signed({ zen: 'x' }), 'x-github-event': 'ping' }), 202)
  })

test('being told of a pull, which may be our own, leads to no look', async () => {
  const { told, post } = hooks()
  const target = { repository: 'acme/shop' }
  assert.equal(await post('distribution', { events: [{ action: 'pull', target }] }), 202)
  const repository = { repo_full_name: 'acme/shop' }
  assert.equal(await post('harbor', { type: 'PULL_ARTIFACT', event_data: { repository } }), 202)
  assert.equal(await post('harbor', { type: 'harbor.artifact.pulled', data: { repository } }), 202)
  assert.deepEqual(told, [])
})

test('what is malformed is 400, however it is malformed, and nothing is looked at for it', async () => {
  const { told, post, clock } = hooks()
  const deep = '['.repeat(100_000) + ']'.repeat(100_000)
  for (const form of ['distribution', 'harbor', 'zot'])
    for (const body of [
      '',
      'null',
      '1',
      '"x"',
      '[]',
      '{}',
      '{',
      deep,
      `{"events":${deep}}`,
      '\ud800',
      '{"data":[1]}',
    ]) {
      await clock.runUntil(clock.nowMs() + 1_000)
      assert.equal(await post(form, body), 400, `${form} ${body.slice(0, 20)}`)
    }
  assert.deepEqual(told, [])
})

test('no JSON at all makes a form throw', () => {
  fc.assert(
    fc.property(fc.constantFrom(...Object.keys(HOOK_FORMS)), fc.jsonValue(), (form, value) => {
      const named = HOOK_FORMS[form]?.repositories(
        { events: value, event_data: value, data: value, package: value } as never,
        {},
      )
      assert.ok(named === undefined || named.every((one) => typeof one === 'string'))
    }),
  )
  fc.assert(
    fc.property(
      fc.constantFrom(...Object.keys(HOOK_FORMS)),
      fc.string(),
      fc.string(),
      (form, authorization, signature) => {
        const headers = { authorization, 'x-hub-signature-256': signature }
        assert.equal(HOOK_FORMS[form]?.isAllowed({ headers, body: new Uint8Array() }, SECRET), false)
      },
    ),
  )
})

test('a replica that stands by says so, so that the registry tries again', async () => {
  const answer = createHooks({ secret: async () => SECRET, lookSooner: () => undefined, clock: new FakeClock() })
  const asked = { method: 'POST', path: '/hooks/zot', headers: bearer, body: Buffer.from('{"name":"a/b"}') }
  assert.equal((await answer('zot', asked)).status, 503)
})

test('an empty or short secret lets nobody in, rather than everybody', async () => {
  for (const secret of ['', 'short']) {
    const { post } = hooks(secret)
    assert.equal(await post('zot', { name: 'a/b' }, { authorization: secret }), 401)
    assert.equal(await post('zot', { name: 'a/b' }, {}), 401)
  }
})

test('too many are sent away for a while, guesses at the secret among them', async () => {
  const { post, clock } = hooks()
  const all = await Promise.all(Array.from({ length: 60 }, () => post('zot', { name: 'a/b' }, {})))
  assert.deepEqual([all.filter((one) => one === 401).length, all.filter((one) => one === 429).length], [50, 10])
  await clock.runUntil(1_000)
  assert.equal(await post('zot', { name: 'a/b' }), 202)
})

test('an unknown form is not found, and only POST is taken', async () => {
  const { post, answer } = hooks()
  assert.equal(await post('constructor', {}), 404)
  const asked = { method: 'GET', path: '/hooks/zot', headers: bearer, body: new Uint8Array() }
  assert.equal((await answer('zot', asked)).status, 405)
})

test('a Delivery is matched by the path of its repository, whatever the registry calls itself', () => {
  const delivery = { spec: { source: { repository: 'registry.example.com:5000/acme/shop' } } }
  assert.ok(follows(delivery, new Set(['acme/shop'])))
  for (const other of ['shop', 'acme/shop2', 'x/acme/shop', 'registry.example.com:5000/acme/shop'])
    assert.ok(!follows(delivery, new Set([other])), other)
  assert.ok(!follows({}, new Set(['acme/shop'])))
})
