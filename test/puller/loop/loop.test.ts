import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { JsonObject } from '../../../contract/canonical-json.ts'
import type {
  Cluster,
  ClusterAnswer,
  ClusterRequest,
  Identity,
  WatchEvent,
} from '../../../puller/cluster/cluster-port.ts'
import { runLoop } from '../../../puller/loop/loop.ts'
import { DELIVERIES_PATH } from '../../../puller/observe.ts'
import { FakeCluster } from '../../fakes/cluster.ts'
import { siteOf } from './site-fixture.ts'

const SUSPENDED: JsonObject = {
  metadata: { namespace: 'shop', name: 'app', uid: 'u', generation: 1, resourceVersion: '1' },
  spec: { source: { repository: 'registry.example.com/acme/shop', channel: 'production' }, suspend: {} },
}

/** One Delivery, which is deleted while its status is written. */
class Deleting implements Cluster {
  readonly gone = Promise.withResolvers<void>()
  readonly #deleted = Promise.withResolvers<void>()
  readonly #rest = new FakeCluster()

  async request(as: Identity, request: ClusterRequest): Promise<ClusterAnswer> {
    const { method, path } = request
    if (method === 'GET' && !path.includes('/namespaces/')) {
      const items = path === DELIVERIES_PATH ? [SUSPENDED] : []
      return { status: 200, body: { items, metadata: { resourceVersion: '1' } } }
    }
    if (!path.endsWith('/status')) return this.#rest.request(as, request)
    this.#deleted.resolve()
    await this.gone.promise
    return { status: 404, body: {} }
  }

  async *watch(_as: Identity, { path, signal }: Pick<ClusterRequest, 'path' | 'signal'>): AsyncGenerator<WatchEvent> {
    const ended = new Promise<void>((resolve) => signal?.addEventListener('abort', () => resolve()))
    if (path === DELIVERIES_PATH) {
      await this.#deleted.promise
      yield { type: 'DELETED', object: SUSPENDED }
    }
    await ended
  }

  async resource(): Promise<undefined> {
    return undefined
  }
}

test('a Delivery that is deleted while it is looked at is told of as gone last', { timeout: 20_000 }, async () => {
  const cluster = new Deleting()
  const told: string[] = []
  const stop = new AbortController()
  const over = Promise.withResolvers<void>()
  const site = {
    ...siteOf(cluster),
    outside: {
      begin: async () => {},
      said: () => void told.push('said'),
      looked: () => {
        told.push('looked')
        over.resolve()
      },
      gone: () => {
        told.push('gone')
        cluster.gone.resolve()
      },
      end: async () => {},
    },
  }
  const running = runLoop({ site, parallel: 1, signal: stop.signal })
  await over.promise
  stop.abort()
  await running
  await site.registries.close()
  assert.deepEqual(told, ['gone', 'said', 'looked', 'gone'])
})

test('with once, what was said of a Delivery that went in the look at it is the answer', {
  timeout: 20_000,
}, async () => {
  const cluster = new Deleting()
  const outside = {
    begin: async () => {},
    said: () => {},
    looked: () => {},
    gone: () => cluster.gone.resolve(),
    end: async () => {},
  }
  const site = { ...siteOf(cluster), outside }
  const { signal } = new AbortController()
  const standings = await runLoop({ site, parallel: 1, once: { attempts: 1 }, signal })
  await site.registries.close()
  assert.deepEqual(
    standings.map(({ name }) => name),
    ['app'],
  )
})
