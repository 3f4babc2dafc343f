import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Cluster, ClusterRequest } from '../../../puller/cluster/cluster-port.ts'
import { Sight } from '../../../puller/reconcile/sight.ts'
import { FakeClock } from '../fake-clock.ts'

function asked(allowed: () => boolean) {
  const requests: unknown[] = []
  const cluster: Pick<Cluster, 'request'> = {
    request: async (as: unknown, { body }: ClusterRequest) => {
      requests.push([as, body])
      return { status: 201, body: { status: { allowed: allowed() } } }
    },
  }
  return { cluster, requests }
}

const account = { namespace: 'shop', serviceAccount: 'waybill' }

test('what a service account may get elsewhere is asked as it, and remembered for a while', async () => {
  const clock = new FakeClock()
  let allowed = true
  const { cluster, requests } = asked(() => allowed)
  const sight = new Sight()
  const see = (namespace: string) => sight.maySee({ cluster, clock }, account, namespace, 'db')
  assert.equal(await see('shop'), true)
  assert.equal(requests.length, 0, 'its own namespace is not asked about')
  assert.equal(await see('data'), true)
  const resourceAttributes = {
    verb: 'get',
    group: 'waybill.dev',
    resource: 'deliveries',
    namespace: 'data',
    name: 'db',
  }
  assert.deepEqual(requests, [
    [
      account,
      {
        apiVersion: 'authorization.k8s.io/v1',
        kind: 'SelfSubjectAccessReview',
        spec: { resourceAttributes },
      },
    ],
  ])
  allowed = false
  assert.equal(await see('data'), true)
  assert.equal(requests.length, 1, 'and asks nothing again meanwhile')
  await clock.runUntil(600_000)
  assert.equal(await see('data'), false, 'a right that was taken away is missed later')
  allowed = true
  await clock.runUntil(660_000)
  assert.equal(await see('data'), true, 'one that was given is found')
  assert.equal(requests.length, 3)
  allowed = false
  sight.forget()
  assert.equal(await see('data'), false)
})
