import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isKubeObject } from '../../../contract/artifact/objects.ts'
import { parseDigest } from '../../../contract/digest.ts'
import type { Cluster } from '../../../puller/cluster/cluster-port.ts'
import { HealthBoard } from '../../../puller/health/health-board.ts'
import type { ObjectHealth } from '../../../puller/health/object-health.ts'
import { rulesOf } from '../../../puller/health/rules.ts'
import { waitHealthy } from '../../../puller/health/wait.ts'
import { prepare } from '../../../puller/plan/desired.ts'
import type { PlanContext } from '../../../puller/plan/plan-context.ts'
import { FakeClock } from '../fake-clock.ts'

const context: PlanContext = {
  delivery: { name: 'shop', namespace: 'team', uid: 'delivery-uid' },
  account: { namespace: 'team', serviceAccount: 'waybill' },
  digest: parseDigest(`sha256:${'1'.repeat(64)}`),
  adopt: 'never',
  prune: { enabled: true, maxPercent: 30 },
  confirmed: undefined,
  environment: 'production',
  claimKey: Buffer.alloc(32, 1),
}
const resource = {
  group: '',
  version: 'v1',
  kind: 'PersistentVolumeClaim',
  plural: 'persistentvolumeclaims',
  namespaced: true,
}

function claims(count: number) {
  const objects = Array.from({ length: count }, (_, i) => ({
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: `c-${i}`, namespace: 'team' },
    status: { phase: 'Bound' },
  }))
  return {
    objects,
    desired: prepare(objects.filter(isKubeObject), context, new Map([['v1 PersistentVolumeClaim', resource]])),
  }
}

test('of many objects that become well one after another, all that is waited for is not told with each', async () => {
  const { objects, desired } = claims(500)
  /** Cannot stream what exists. */
  const cluster: Cluster = {
    request: async () => ({ status: 200, body: { items: objects, metadata: { resourceVersion: '1' } } }),
    watch: async function* () {
      yield { type: 'ERROR', object: { code: 400 } }
    },
    resource: async () => undefined,
  }
  const told: string[] = []
  const health = await waitHealthy(context, desired, cluster, {
    timeoutMs: 60_000,
    clock: new FakeClock(),
    onProgress: ({ ready, total }) => told.push(`${ready}/${total}`),
  })
  assert.equal(health.healthy, true)
  assert.deepEqual(told, ['1/500', '500/500'])
})

test('whether all is settled is counted as it is told', () => {
  const { desired } = claims(3)
  const board = new HealthBoard(desired, rulesOf({}))
  const states: ObjectHealth[] = [
    { state: 'healthy' },
    { state: 'waiting', message: 'a' },
    { state: 'waiting', message: 'b' },
    { state: 'failed', message: 'c' },
  ]
  for (let i = 0; i < 64; i++) {
    board.set(desired[i % 3]?.key ?? '', states[(i * 7 + (i >> 2)) % 4] ?? { state: 'healthy' })
    const { healthy, failed, waiting } = board.health()
    assert.equal(board.isSettled(), healthy || failed.length > 0)
    assert.equal(board.ready(), 3 - failed.length - waiting.length)
  }
})
