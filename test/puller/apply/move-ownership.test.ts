import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isKubeObject } from '../../../contract/artifact/objects.ts'
import { parseDigest } from '../../../contract/digest.ts'
import { moveOwnership } from '../../../puller/apply/move-ownership.ts'
import { prepare } from '../../../puller/plan/desired.ts'
import type { PlanContext } from '../../../puller/plan/plan-context.ts'
import { FakeCluster } from '../../fakes/cluster.ts'

const context: PlanContext = {
  delivery: { name: 'shop', namespace: 'team', uid: 'delivery-uid' },
  account: { namespace: 'team', serviceAccount: 'waybill' },
  digest: parseDigest(`sha256:${'1'.repeat(64)}`),
  adopt: 'if-unowned',
  prune: { enabled: true, maxPercent: 30 },
  confirmed: undefined,
  environment: 'production',
  claimKey: Buffer.alloc(32, 1),
}
const resource = { group: '', version: 'v1', kind: 'ConfigMap', plural: 'configmaps', namespaced: true }

test('with if-unowned, what somebody took between the plan and its turn is left to him; with always it is taken', async () => {
  const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a', namespace: 'team' } }
  assert.ok(isKubeObject(object))
  const [desired] = prepare([object], context, new Map([['v1 ConfigMap', resource]]))
  assert.ok(desired)
  const move = async (adopt: PlanContext['adopt'], labels: Record<string, string>) => {
    const cluster = new FakeCluster()
    const metadata = { ...object.metadata, uid: 'u', resourceVersion: '5', labels }
    cluster.objects.set('/api/v1/namespaces/team/configmaps/a', { ...object, metadata })
    return moveOwnership({ cluster, context: { ...context, adopt } }, { action: 'adopt', desired, uid: 'u' })
  }
  const flux = { 'kustomize.toolkit.fluxcd.io/name': 'apps' }
  assert.deepEqual(await move('if-unowned', flux), { owners: ['Flux Kustomization apps'] })
  assert.equal(await move('if-unowned', {}), undefined)
  assert.equal(await move('always', flux), undefined)
})
