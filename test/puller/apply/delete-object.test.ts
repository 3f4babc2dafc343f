import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isJsonObject, type JsonObject } from '../../../contract/canonical-json.ts'
import { type DeleteHow, deleteExactly } from '../../../puller/apply/delete-object.ts'
import type { ClusterAnswer, ClusterRequest, Identity } from '../../../puller/cluster/cluster-port.ts'
import { asksToStay } from '../../../puller/plan/guards.ts'
import { FakeCluster } from '../../fakes/cluster.ts'

const path = '/api/v1/namespaces/shop/configmaps/a'
const account = { namespace: 'shop', serviceAccount: 'waybill' }

/** Holds one object, and to preconditions. */
class Here extends FakeCluster {
  there: JsonObject | undefined
  constructor(metadata: JsonObject) {
    super()
    this.there = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a', namespace: 'shop', ...metadata } }
  }
  override async request(_as: Identity, { method, body }: ClusterRequest): Promise<ClusterAnswer> {
    if (this.there === undefined) return { status: 404, body: {} }
    if (method === 'GET') return { status: 200, body: this.there }
    const wanted = isJsonObject(body) && isJsonObject(body.preconditions) ? body.preconditions : {}
    const { metadata } = this.there
    const isThis = isJsonObject(metadata) && Object.entries(wanted).every(([name, value]) => metadata[name] === value)
    if (!isThis) return { status: 409, body: { reason: 'Conflict' } }
    this.there = undefined
    return { status: 200, body: { kind: 'Status' } }
  }
}

const remove = async (metadata: JsonObject, how: Omit<DeleteHow, 'propagation'>) => {
  const cluster = new Here(metadata)
  const target = { name: 'ConfigMap shop/a', path, uid: 'u' }
  const deleted = await deleteExactly({ cluster, context: { account } }, target, { ...how, propagation: 'Background' })
  const code = deleted.kind === 'refused' ? deleted.outcome.code : deleted.kind
  assert.equal(cluster.there === undefined, deleted.kind === 'gone')
  return code
}
const annotated = (prune: string) => ({ uid: 'u', resourceVersion: '2', annotations: { 'waybill.dev/prune': prune } })
const stays: DeleteHow['stays'] = (live) => asksToStay(live, undefined)

test('what was annotated, after it was looked at, to be kept, or to be asked for, is not deleted', async () => {
  for (const prune of ['never', 'confirm']) {
    assert.equal(await remove(annotated(prune), { resourceVersion: '1', stays }), 'PRUNE_PROTECTED')
    assert.equal(await remove(annotated(prune), { stays }), 'PRUNE_PROTECTED')
  }
})

test('what changed in something else meanwhile, or asked for a confirmation that it has, is deleted', async () => {
  assert.equal(await remove({ uid: 'u', resourceVersion: '2' }, { resourceVersion: '1', stays }), 'gone')
  const asked: DeleteHow['stays'] = (live) => asksToStay(live, 'confirm')
  assert.equal(await remove(annotated('confirm'), { resourceVersion: '1', stays: asked }), 'gone')
})

test('another object of the same name is not deleted, whatever is known of it', async () => {
  for (const how of [{ resourceVersion: '1' }, { resourceVersion: '1', stays }, { stays }, {}])
    assert.equal(await remove({ uid: 'another', resourceVersion: '1' }, how), 'CLUSTER_CONFLICT')
})
