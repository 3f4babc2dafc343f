import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pino } from 'pino'
import { WaybillError } from '../../../contract/errors.ts'
import type { ClusterAnswer, ClusterRequest, Identity } from '../../../puller/cluster/cluster-port.ts'
import { look } from '../../../puller/loop/look.ts'
import { Memory } from '../../../puller/loop/memory.ts'
import { FakeCluster } from '../../fakes/cluster.ts'
import { siteOf } from './site-fixture.ts'

/** Is away for as long as a test says. */
class Away extends FakeCluster {
  isAway = true
  override async request(as: Identity, request: ClusterRequest): Promise<ClusterAnswer> {
    if (this.isAway) throw new WaybillError('CLUSTER_UNREACHABLE', 'away')
    return super.request(as, request)
  }
}

test('an API server that is away is said once when that begins and once when it ends, however often it is tried', async () => {
  const cluster = new Away()
  const lines: string[] = []
  const said = { write: (line: string) => void lines.push(`${JSON.parse(line).code ?? JSON.parse(line).msg}`) }
  const site = siteOf(cluster, pino({ level: 'info' }, said))
  const memory = new Memory(undefined)
  const signal = new AbortController().signal
  const once = (attempt: number) =>
    look(site, { namespace: 'shop', name: 'app' }, { signal, attempt, askedAtMs: 0, outside: (work) => work() }, memory)
  for (const attempt of [1, 2, 3]) assert.equal((await once(attempt)).said?.reason, 'CLUSTER_UNREACHABLE')
  assert.deepEqual(lines, ['CLUSTER_UNREACHABLE'])
  cluster.isAway = false
  for (const attempt of [4, 5]) assert.equal((await once(attempt)).next.kind, 'never')
  assert.deepEqual(lines, ['CLUSTER_UNREACHABLE', 'the API server answers again'])
  cluster.isAway = true
  await once(6)
  assert.equal(lines.length, 3)
  await site.registries.close()
})

test('that a Delivery is suspended, or what is wrong with it, is recorded while others have the place to work in', async () => {
  for (const [spec, kind] of [
    [{ suspend: { reason: 'an audit' } }, 'Suspended'],
    [{ environment: 'production' }, 'Refused'],
  ] as const) {
    const cluster = new FakeCluster()
    const log: string[] = []
    cluster.onWrite = (line) => void log.push(line.split('/').at(-1) ?? '')
    const site = siteOf(cluster)
    const outside = async <T>(work: () => Promise<T>): Promise<T> => {
      log.push('leaves')
      return work().finally(() => log.push('comes back'))
    }
    const object = {
      metadata: { namespace: 'shop', name: 'app', uid: 'u', generation: 1, resourceVersion: '1' },
      spec: { source: { repository: 'registry.example.com/acme/shop', channel: 'production' }, ...spec },
    }
    const turn = { signal: new AbortController().signal, attempt: 1, askedAtMs: 0, outside }
    const memory = new Memory(undefined)
    await look(site, { namespace: 'shop', name: 'app' }, turn, memory, object)
    const at = log.indexOf('deliveryrecords')
    assert.deepEqual(log.slice(at - 1, at + 3), ['leaves', 'deliveryrecords', 'configmaps', 'comes back'], kind)
    await site.registries.close()
  }
})

test('what was said last counts, though the watch does not show it yet: it is not said again', async () => {
  const patches: unknown[] = []
  class Answering extends FakeCluster {
    override async request(as: Identity, request: ClusterRequest): Promise<ClusterAnswer> {
      if (!request.path.endsWith('/status')) return super.request(as, request)
      patches.push(request.body)
      return { status: 200, body: { metadata: { resourceVersion: String(4 + patches.length) } } }
    }
  }
  const site = siteOf(new Answering())
  const memory = new Memory(undefined)
  const at = (resourceVersion: string) => ({
    metadata: { namespace: 'shop', name: 'app', uid: 'u', generation: 1, resourceVersion },
    spec: { source: { repository: 'registry.example.com/acme/shop', channel: 'production' }, suspend: {} },
  })
  const turn = {
    signal: new AbortController().signal,
    attempt: 1,
    askedAtMs: 0,
    outside: <T>(work: () => Promise<T>) => work(),
  }
  for (const { version, said } of [
    { version: '1', said: 1 },
    { version: '4', said: 1 },
    { version: '6', said: 2 },
  ]) {
    memory.askAnew()
    await look(site, { namespace: 'shop', name: 'app' }, turn, memory, at(version))
    assert.equal(patches.length, said, `as the watch shows it in version ${version}`)
  }
  await site.registries.close()
})
