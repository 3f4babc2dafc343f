import assert from 'node:assert/strict'
import { test } from 'node:test'
import { digestOf } from '../../../contract/digest.ts'
import type { Cluster, ClusterRequest } from '../../../puller/cluster/cluster-port.ts'
import { boundedMessage, sayError } from '../../../puller/message.ts'
import { deliveryPath } from '../../../puller/observe.ts'
import { type Finding, nextStatus, writeStatus } from '../../../puller/say/status.ts'
import { FakeCluster } from '../../fakes/cluster.ts'

const A = digestOf('a')
const well: Finding = {
  generation: 1,
  ready: { status: 'True', reason: 'Applied', message: 'it runs' },
  resolved: { digest: A, channel: 'production', sequence: 3 },
  drift: null,
}

test('finding the same again gives the same status, so that nothing is written', async () => {
  const first = nextStatus({}, well, '2026-11-21T10:00:00Z')
  const second = nextStatus(first, well, '2026-11-21T11:00:00Z')
  assert.deepEqual(second, first)
  const requests: ClusterRequest[] = []
  const cluster: Cluster = {
    request: async (_as, request) => {
      requests.push(request)
      return { status: 200, body: { metadata: { resourceVersion: '7' } } }
    },
    watch: async function* () {},
    resource: async () => undefined,
  }
  const delivery = { namespace: 'shop', name: 'api', uid: 'u' }
  assert.equal(await writeStatus(cluster, delivery, first, second), undefined)
  assert.equal(requests.length, 0)
  assert.equal(await writeStatus(cluster, delivery, {}, first), 7)
  assert.equal(requests[0]?.path, '/apis/waybill.dev/v1alpha1/namespaces/shop/deliveries/api/status')
})

test('a condition keeps its time until its status changes', () => {
  const first = nextStatus({}, well, '2026-11-21T10:00:00Z')
  const reworded = nextStatus(first, { ...well, ready: { ...well.ready, message: 'still' } }, '2026-11-21T11:00:00Z')
  const broken = nextStatus(reworded, { ...well, ready: { ...well.ready, status: 'False' } }, '2026-11-21T12:00:00Z')
  const times = [first, reworded, broken].map(({ conditions }) => conditions?.[0]?.lastTransitionTime)
  assert.deepEqual(times, ['2026-11-21T10:00:00Z', '2026-11-21T10:00:00Z', '2026-11-21T12:00:00Z'])
})

test('Reconciling and Stalled are there only when they are True, as kstatus reads them', () => {
  const busy = nextStatus({}, { ...well, reconciling: { reason: 'Applying', message: '' } }, '2026-11-21T10:00:00Z')
  assert.deepEqual(
    busy.conditions?.map(({ type, status }) => `${type} ${status}`),
    ['Ready True', 'Reconciling True'],
  )
  const done = nextStatus(busy, well, '2026-11-21T10:00:00Z')
  assert.deepEqual(
    done.conditions?.map(({ type }) => type),
    ['Ready'],
  )
})

test('a condition that was not looked at stays, and with it the generation that it was said of', () => {
  const healthy = { status: 'True', reason: 'Healthy', message: 'it runs' } as const
  const first = nextStatus({}, { ...well, healthy }, '2026-11-21T10:00:00Z')
  const next = nextStatus(first, { ...well, generation: 2 }, '2026-11-21T11:00:00Z')
  assert.deepEqual(
    next.conditions?.map(({ type, observedGeneration }) => `${type} ${observedGeneration}`),
    ['Ready 2', 'Healthy 1'],
  )
})

test('progress is there while something is under way, and gone with it', () => {
  const progress = { ready: 3, total: 5, waiting: ['Deployment.apps shop/api'] }
  const busy = { ...well, reconciling: { reason: 'Waiting', message: '' } }
  const first = nextStatus({}, { ...busy, progress }, '2026-11-21T10:00:00Z')
  assert.deepEqual(nextStatus(first, busy, '2026-11-21T10:00:01Z').progress, progress)
  assert.equal(nextStatus(first, well, '2026-11-21T10:00:02Z').progress, undefined)
})

test('what a look does not speak of, such as a plan that waits, stays in the status with its time', () => {
  const plan = { digest: A, plan: A, changes: { total: 0, digest: A, listed: [] } }
  const first = nextStatus({}, { ...well, plan }, '2026-11-21T10:00:00Z')
  assert.deepEqual(nextStatus(first, well, '2026-11-21T11:00:00Z').plan, { ...plan, at: '2026-11-21T10:00:00Z' })
  assert.equal(nextStatus(first, { ...well, plan: null }, '2026-11-21T12:00:00Z').plan, undefined)
})

test('how far notifications got is neither taken back nor written by a look, which may know less than their own writer', async () => {
  const before = { notified: [{ name: 'team', sequence: 3 }] }
  const next = nextStatus(before, well, '2026-11-21T10:00:00Z')
  assert.deepEqual(next.notified, before.notified)
  const bodies: unknown[] = []
  const cluster: Cluster = {
    request: async (_as, { body }) => {
      bodies.push(body)
      return { status: 200, body: {} }
    },
    watch: async function* () {},
    resource: async () => undefined,
  }
  await writeStatus(cluster, { namespace: 'shop', name: 'api', uid: 'u' }, before, next)
  assert.equal(bodies.length, 1)
  assert.ok(!JSON.stringify(bodies).includes('notified'))
})

test('what is no longer said goes, inside of what still is said too: a version of what ran before, a digest of what is gone', async () => {
  const cluster = new FakeCluster()
  const delivery = { namespace: 'shop', name: 'api', uid: 'u' }
  const path = `${deliveryPath('shop', 'api')}/status`
  const applied = { digest: A, version: '1.4.2', at: '2026-11-21T10:00:00Z' }
  const unmanaged = { objects: 1, listed: ['ConfigMap shop/a'], digest: A }
  const before = nextStatus({}, { ...well, applied, unmanaged }, '2026-11-21T10:00:00Z')
  cluster.objects.set(path, { metadata: { uid: 'u' }, status: JSON.parse(JSON.stringify(before)) })
  const now = { ...well, applied: { digest: A, at: applied.at }, unmanaged: { objects: 0, listed: [] } }
  const next = nextStatus(before, now, '2026-11-21T11:00:00Z')
  await writeStatus(cluster, delivery, before, next)
  assert.deepEqual(cluster.objects.get(path)?.status, JSON.parse(JSON.stringify(next)))
})

test('drift is said while it is there, and taken back when it is not', () => {
  const drifted = nextStatus({}, { ...well, drift: { objects: 1, listed: [] } }, '2026-11-21T10:00:00Z')
  assert.equal(drifted.drift?.objects, 1)
  assert.equal(nextStatus(drifted, well, '2026-11-21T11:00:00Z').drift, undefined)
})

test('no message carries a password, a token or a second line, and none is longer than allowed', () => {
  const said = boundedMessage(
    'https://me:secret@r.example.com/v2/?sig=secret\nAuthorization: Bearer secret.secret\u0000',
  )
  assert.ok(!said.includes('secret'), said)
  assert.ok(!said.includes('\n') && !said.includes('\u0000'))
  assert.equal(boundedMessage('x'.repeat(9999)).length, 2048)
})

test('what is no error of ours is not repeated to readers', () => {
  const { code, message } = sayError(new Error('password=hunter2'))
  assert.equal(code, 'INTERNAL')
  assert.ok(!message.includes('hunter2'))
})
