import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, type TestContext, test } from 'node:test'
import { digestOf } from '../../../contract/digest.ts'
import { parseRepository } from '../../../contract/reference.ts'
import { loginCredentials } from '../../../contract/registry/login.ts'
import { createRegistryReader } from '../../../contract/registry/registry-client.ts'

/** How the registries that people use ask for a login, what their tools leave in config.json, and what their token endpoints take and give. */
type Habit = {
  readonly challenge: (host: string) => string
  /** For `host`. `helper` is what `docker-credential-fake get` prints. */
  readonly config?: (host: string) => object
  readonly helper?: object
  /** What the token endpoint, or, without one, the registry itself must be sent. */
  readonly sent: Sent
  readonly gives?: object
}
type Sent = {
  readonly method?: 'GET' | 'POST'
  readonly path?: string
  readonly authorization?: string
  readonly form?: object
}

const basic = (username: string, password: string) =>
  `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
const stored = (username: string, password: string) => (host: string) => ({
  auths: { [host]: { auth: basic(username, password).slice('Basic '.length) } },
})
const helped = (host: string) => ({ credHelpers: { [host]: 'fake' }, auths: { [host]: {} } })
const bearer = (path: string, service: string) => (host: string) =>
  `Bearer realm="http://${host}${path}",service="${service}",scope="repository:acme/shop:pull"`
const refresh = { grant_type: 'refresh_token', refresh_token: 'refresh-me', scope: 'repository:acme/shop:pull' }
const serviceAccount = '{\n  "type": "service_account",\n  "private_key": "-----BEGIN:…\\n"\n}\n'

const habits: Readonly<Record<string, Habit>> = {
  'GHCR with a token': {
    challenge: bearer('/token', 'ghcr.io'),
    config: stored('octocat', 'ghp_x'),
    sent: { path: '/token', authorization: basic('octocat', 'ghp_x') },
  },
  'GHCR for a public package': { challenge: bearer('/token', 'ghcr.io'), sent: { path: '/token' } },
  'Docker Hub': {
    challenge: bearer('/token', 'registry.docker.io'),
    config: stored('ada', 'dckr_pat_x'),
    sent: { path: '/token', authorization: basic('ada', 'dckr_pat_x') },
    gives: { token: 'good', access_token: 'good', expires_in: 300, issued_at: '2026-11-21T10:00:00.123456789Z' },
  },
  'ECR by its helper': {
    challenge: (host) => `Basic realm="https://${host}/",service="ecr.amazonaws.com"`,
    config: helped,
    helper: { ServerURL: 'x', Username: 'AWS', Secret: 'eyJwYXlsb2FkIjoi' },
    sent: { authorization: basic('AWS', 'eyJwYXlsb2FkIjoi') },
  },
  'Artifact Registry by its helper': {
    challenge: bearer('/v2/token', 'us-docker.pkg.dev'),
    config: helped,
    helper: { Username: 'oauth2accesstoken', Secret: 'ya29.x' },
    sent: { path: '/v2/token', authorization: basic('oauth2accesstoken', 'ya29.x') },
  },
  'Artifact Registry with a key file, which has colons and line ends in it': {
    challenge: bearer('/v2/token', 'us-docker.pkg.dev'),
    config: stored('_json_key', serviceAccount),
    sent: { path: '/v2/token', authorization: basic('_json_key', serviceAccount) },
  },
  'ACR after `az acr login`, whose refresh token is exchanged': {
    challenge: bearer('/oauth2/token', 'acme.azurecr.io'),
    config: (host) => ({
      auths: { [host]: { auth: btoa('00000000-0000-0000-0000-000000000000:'), identitytoken: 'refresh-me' } },
    }),
    sent: { method: 'POST', path: '/oauth2/token', form: { ...refresh, service: 'acme.azurecr.io' } },
    gives: { access_token: 'good' },
  },
  'ACR by its helper': {
    challenge: bearer('/oauth2/token', 'acme.azurecr.io'),
    config: helped,
    helper: { Username: '<token>', Secret: 'refresh-me' },
    sent: { method: 'POST', path: '/oauth2/token', form: { ...refresh, service: 'acme.azurecr.io' } },
    gives: { access_token: 'good' },
  },
  'ACR with a service principal': {
    challenge: bearer('/oauth2/token', 'acme.azurecr.io'),
    config: stored('6f1b', 'secret~x'),
    sent: { path: '/oauth2/token', authorization: basic('6f1b', 'secret~x') },
    gives: { access_token: 'good' },
  },
  'Harbor with a robot account, which has a dollar sign in its name': {
    challenge: bearer('/service/token', 'harbor-registry'),
    config: stored('robot$acme+ci', 'x'),
    sent: { path: '/service/token', authorization: basic('robot$acme+ci', 'x') },
    gives: { token: 'good', access_token: '', expires_in: 1800, issued_at: '2026-11-21T10:00:00Z' },
  },
  'zot with a password': {
    challenge: () => 'Basic realm="Authorization Required"',
    config: stored('ada', 'x'),
    sent: { authorization: basic('ada', 'x') },
  },
  'zot with a token server, which writes the scheme small and the scope empty': {
    challenge: (host) => `bearer realm="http://${host}/auth/token",service="zot",scope=""`,
    config: stored('ada', 'x'),
    sent: { path: '/auth/token', authorization: basic('ada', 'x') },
    gives: { access_token: 'good', token: 'good' },
  },
  'GitLab with a job’s token': {
    challenge: bearer('/jwt/auth', 'container_registry'),
    config: stored('gitlab-ci-token', 'glcbt-x'),
    sent: { path: '/jwt/auth', authorization: basic('gitlab-ci-token', 'glcbt-x') },
  },
  'a registry that offers both, in two headers': {
    challenge: (host) => `Basic realm="x", ${bearer('/token', 'both')(host)}`,
    config: stored('ada', 'x'),
    sent: { path: '/token', authorization: basic('ada', 'x') },
  },
}

const folder = mkdtempSync(join(tmpdir(), 'waybill-registries-'))
after(() => rmSync(folder, { recursive: true }))
const digest = digestOf('manifest')

async function startLike(t: TestContext, { challenge, sent, gives = { token: 'good' } }: Habit) {
  const asked: (Required<Pick<Sent, 'method' | 'path'>> & Sent & { readonly query: object })[] = []
  const server = createServer(async (request, response) => {
    const url = new URL(request.url ?? '', 'http://x')
    const { authorization } = request.headers
    if (url.pathname.startsWith('/v2/acme/')) {
      const good = authorization === 'Bearer good' || (sent.path === undefined && authorization === sent.authorization)
      const head = good ? { 'docker-content-digest': digest } : { 'www-authenticate': challenge(host) }
      return response.writeHead(good ? 200 : 401, head).end()
    }
    let body = ''
    for await (const chunk of request) body += chunk
    asked.push({
      method: request.method === 'POST' ? 'POST' : 'GET',
      path: url.pathname,
      ...(authorization === undefined ? {} : { authorization }),
      query: Object.fromEntries(url.searchParams),
      ...(body === '' ? {} : { form: Object.fromEntries(new URLSearchParams(body)) }),
    })
    response.end(JSON.stringify(gives))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const host = `127.0.0.1:${typeof address === 'object' ? address?.port : 0}`
  t.after(() => void server.close().closeAllConnections())
  return { host, asked }
}

function readerFor(t: TestContext, host: string, { config, helper }: Habit) {
  const own = mkdtempSync(join(folder, 'login-'))
  const program = join(own, 'docker-credential-fake')
  writeFileSync(program, `#!/bin/sh\ncat <<'END'\n${JSON.stringify(helper ?? {})}\nEND\n`)
  chmodSync(program, 0o755)
  writeFileSync(join(own, 'config.json'), JSON.stringify(config?.(host) ?? {}))
  const credentials = loginCredentials({ dockerConfigDir: own, env: { PATH: `${own}:${process.env.PATH}` } })
  const reader = createRegistryReader({ plainHttp: true, credentials })
  t.after(() => reader.close())
  return reader
}

for (const [name, habit] of Object.entries(habits))
  test(`logged in as to ${name}`, async (t) => {
    const { host, asked } = await startLike(t, habit)
    const reader = readerFor(t, host, habit)
    const repository = parseRepository(`${host}/acme/shop`)
    for (let i = 0; i < 2; i++) assert.equal(await reader.resolveTag(repository, 'x'), digest)
    const { path, form, method = 'GET', authorization } = habit.sent
    assert.equal(asked.length, path === undefined ? 0 : 1)
    const [request] = asked
    if (request === undefined) return
    assert.deepEqual([request.method, request.path, request.authorization], [method, path, authorization])
    const service = /service="([^"]+)"/.exec(habit.challenge(host))?.[1]
    if (form === undefined) assert.deepEqual(request.query, { scope: 'repository:acme/shop:pull', service })
    else assert.deepEqual(request.form, { client_id: 'waybill', ...form })
  })

test('a token that is about to expire is not used again, and one without a word of it lasts a minute', async (t) => {
  for (const [gives, count] of [
    [{ token: 'good', expires_in: 5 }, 2],
    [{ token: 'good', expires_in: 300 }, 1],
    [{ token: 'good' }, 1],
  ] as const) {
    const habit = { challenge: bearer('/token', 'x'), sent: { path: '/token' }, gives }
    const { host, asked } = await startLike(t, habit)
    const reader = readerFor(t, host, habit)
    for (let i = 0; i < 2; i++) await reader.resolveTag(parseRepository(`${host}/acme/shop`), 'x')
    assert.equal(asked.length, count, JSON.stringify(gives))
  }
})
