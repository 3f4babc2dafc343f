import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { checkAccount, meetAccount } from '../../../puller/cluster/access.ts'
import { type ConnectedCluster, connectCluster } from '../../../puller/cluster/cluster.ts'

type Answer = (request: IncomingMessage, response: ServerResponse, count: number) => void

async function withServer(answer: Answer, run: (cluster: ConnectedCluster, seen: IncomingMessage[]) => Promise<void>) {
  const seen: IncomingMessage[] = []
  const server = createServer((request, response) => {
    seen.push(request)
    answer(request, response, seen.length)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const folder = mkdtempSync(join(tmpdir(), 'waybill-kubeconfig-'))
  const kubeconfig = join(folder, 'config')
  writeFileSync(
    kubeconfig,
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'c', cluster: { server: `http://127.0.0.1:${port}` } }],
      users: [{ name: 'u', user: { token: 'the-token', as: 'somebody-else' } }],
      contexts: [{ name: 'x', context: { cluster: 'c', user: 'u', namespace: 'team' } }],
      'current-context': 'x',
    }),
  )
  const cluster = connectCluster({ kubeconfig })
  try {
    await run(cluster, seen)
  } finally {
    await cluster.close()
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
    rmSync(folder, { recursive: true })
  }
}

const json = (response: ServerResponse, status: number, body: unknown = {}, headers: Record<string, string> = {}) => {
  response.writeHead(status, { 'content-type': 'application/json', ...headers })
  response.end(JSON.stringify(body))
}
const account = { namespace: 'team', serviceAccount: 'waybill' }
const get = { method: 'GET', path: '/api/v1/x' } as const
const apply = { method: 'PATCH', path: '/api/v1/x', body: {}, contentType: 'application/apply-patch+yaml' } as const

test('a request as an account says so in its header, over anything that the kubeconfig says', () =>
  withServer(
    (_, response) => json(response, 200),
    async (cluster, seen) => {
      await cluster.request(account, get)
      assert.equal(seen[0]?.headers['impersonate-user'], 'system:serviceaccount:team:waybill')
      assert.equal(seen[0]?.headers.authorization, 'Bearer the-token')
      assert.equal(cluster.defaultNamespace, 'team')
    },
  ))

test('an account whose name could be read as another user is never sent', () =>
  withServer(
    (_, response) => json(response, 200),
    async (cluster, seen) => {
      for (const serviceAccount of ['a:b', 'a\nb', '', 'A', '../x'])
        await assert.rejects(cluster.request({ namespace: 'team', serviceAccount }, get), { code: 'DELIVERY_INVALID' })
      assert.equal(seen.length, 0)
    },
  ))

test('a read is tried again when the connection breaks, a write is not', () =>
  withServer(
    (request, response, count) => (count % 2 === 1 ? request.socket.destroy() : json(response, 200, { n: count })),
    async (cluster, seen) => {
      assert.equal((await cluster.request('puller', get)).status, 200)
      assert.equal(seen.length, 2)
      await assert.rejects(cluster.request('puller', apply), { code: 'CLUSTER_UNREACHABLE' })
      assert.equal(seen.length, 3)
    },
  ))

test('a server that is busy is asked again, also for a write, which it did not take', () =>
  withServer(
    (_, response, count) => (count === 1 ? json(response, 429, {}, { 'retry-after': '0.05' }) : json(response, 201)),
    async (cluster, seen) => {
      assert.equal((await cluster.request('puller', apply)).status, 201)
      assert.equal(seen.length, 2)
    },
  ))

test('a write that the server failed at is an answer, and not repeated', () =>
  withServer(
    (_, response) => json(response, 503),
    async (cluster, seen) => {
      assert.equal((await cluster.request('puller', apply)).status, 503)
      assert.equal(seen.length, 1)
    },
  ))

test('credentials that are not accepted are renewed once, and then named without being shown', () =>
  withServer(
    (_, response) => json(response, 401),
    async (cluster, seen) => {
      await assert.rejects(cluster.request('puller', get), (error: Error) => {
        assert.ok('code' in error && error.code === 'CLUSTER_AUTH')
        return !error.message.includes('the-token')
      })
      assert.equal(seen.length, 2)
    },
  ))

/** Forbids everything until it is ready, which it says is so the third time that it is asked; the first time it forbids that, too. */
function beginning(allows: Answer): Answer {
  let asked = 0
  return (request, response, count) => {
    if (request.url === '/readyz') return response.writeHead([403, 500][asked++] ?? 200).end('ok')
    if (asked < 3) return json(response, 403)
    allows(request, response, count)
  }
}

test('what an API server forbids while it begins is asked again when it is ready, and then believed', () =>
  withServer(
    beginning(({ method }, response) => json(response, method === 'GET' ? 200 : 403)),
    async (cluster, seen) => {
      const answers = await Promise.all([get, apply].map((request) => cluster.request(account, request)))
      assert.deepEqual(
        answers.map(({ status }) => status),
        [200, 403],
      )
      assert.equal(seen.filter(({ url }) => url === '/readyz').length, 3)
      seen.length = 0
      await cluster.request(account, apply)
      assert.deepEqual(
        seen.map(({ method, url }) => `${method} ${url}`),
        ['PATCH /api/v1/x'],
      )
    },
  ))

test('a watch that an API server forbids while it begins is begun again when it is ready', () =>
  withServer(
    beginning((_, response) => response.end('{"type":"ADDED","object":{"kind":"X"}}\n')),
    async (cluster) => {
      const types: string[] = []
      for await (const { type } of cluster.watch(account, get)) types.push(type)
      assert.deepEqual(types, ['ADDED'])
    },
  ))

test('a 403 is doubted again after a connection broke, and after a watch ended', () =>
  withServer(
    (request, response) => {
      if (request.url === '/readyz') return response.end('ok')
      if (request.url === '/broken') return request.socket.destroy()
      json(response, request.url?.includes('watch=1') ? 200 : 403)
    },
    async (cluster, seen) => {
      const readyAsked = async () => {
        seen.length = 0
        await cluster.request(account, get)
        return seen.filter(({ url }) => url === '/readyz').length
      }
      assert.deepEqual([await readyAsked(), await readyAsked()], [1, 0])
      await assert.rejects(cluster.request('puller', { ...apply, path: '/broken' }), { code: 'CLUSTER_UNREACHABLE' })
      assert.deepEqual([await readyAsked(), await readyAsked()], [1, 0])
      for await (const _ of cluster.watch(account, get)) assert.fail('nothing is told')
      assert.deepEqual([await readyAsked(), await readyAsked()], [1, 0])
    },
  ))

test('what is not an API server is told from one', () =>
  withServer(
    (_, response) => response.end('<html>Welcome</html>'),
    async (cluster) => {
      await assert.rejects(cluster.request('puller', get), { code: 'CLUSTER_FAILED' })
    },
  ))

test('kinds are asked for once, and one that is not known again each time', () =>
  withServer(
    (_, response) =>
      json(response, 200, {
        resources: [
          { name: 'deployments', kind: 'Deployment', namespaced: true },
          { name: 'deployments/scale', kind: 'Scale', namespaced: true },
        ],
      }),
    async (cluster, seen) => {
      const found = await cluster.resource('apps/v1', 'Deployment')
      assert.deepEqual(found, {
        group: 'apps',
        version: 'v1',
        kind: 'Deployment',
        plural: 'deployments',
        namespaced: true,
      })
      await cluster.resource('apps/v1', 'Deployment')
      assert.equal(seen.length, 1)
      assert.equal(await cluster.resource('apps/v1', 'Scale'), undefined)
      assert.equal(seen.length, 2)
    },
  ))

test('a group that does not answer is not the same as a kind that is not there', () =>
  withServer(
    (_, response) => json(response, 500),
    async (cluster) => {
      await assert.rejects(cluster.resource('example.com/v1', 'Thing'), { code: 'CLUSTER_FAILED' })
    },
  ))

test('a kubeconfig that is not there, or lacks the context, is named', () => {
  assert.throws(() => connectCluster({ kubeconfig: '/nowhere/config' }), { code: 'CLUSTER_CONFIG' })
})

test('an account is refused that the puller may not act as, or whose requests arrive as somebody else’s', async () => {
  const answers: readonly (readonly [number, unknown, string | undefined])[] = [
    [403, {}, 'ACCOUNT_FORBIDDEN'],
    [201, { status: { userInfo: { username: 'the-puller' } } }, 'ACCOUNT_FORBIDDEN'],
    [500, {}, 'CLUSTER_FAILED'],
    [201, { status: { userInfo: { username: 'system:serviceaccount:team:waybill' } } }, undefined],
  ]
  for (const [status, body, code] of answers)
    await withServer(
      ({ method }, response) => (method === 'GET' ? json(response, 200) : json(response, status, body)),
      async (cluster) => {
        const checked = checkAccount(cluster, account)
        await (code === undefined ? checked : assert.rejects(checked, { code }))
      },
    )
})

test('that requests arrive as their account is asked once over a connection, that the account exists each time', async () => {
  const asked: string[] = []
  let isThere = true
  await withServer(
    ({ method, url }, response) => {
      asked.push(`${method} ${url?.split('/').at(-1)}`)
      if (method === 'GET') return json(response, isThere ? 200 : 404)
      json(response, 201, { status: { userInfo: { username: 'system:serviceaccount:team:waybill' } } })
    },
    async (cluster) => {
      await meetAccount(cluster, account)
      await meetAccount(cluster, account)
      assert.deepEqual(asked, ['GET waybill', 'POST selfsubjectreviews', 'GET waybill'])
      isThere = false
      await assert.rejects(meetAccount(cluster, account), { code: 'ACCOUNT_MISSING' })
    },
  )
})
