import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { isKubeObject } from '../../../contract/artifact/objects.ts'
import { parseDigest } from '../../../contract/digest.ts'
import { type ConnectedCluster, connectCluster } from '../../../puller/cluster/cluster.ts'
import { resolveResources } from '../../../puller/cluster/resolve-resources.ts'
import { waitHealthy } from '../../../puller/health/wait.ts'
import { type DesiredObject, prepare } from '../../../puller/plan/desired.ts'
import { applyObject } from '../../../puller/plan/dry-run.ts'
import type { PlanContext } from '../../../puller/plan/plan-context.ts'
import { type Cluster, useControlPlane } from '../../real/control-plane.ts'
import { configMap, deployment } from '../delivered.ts'

let plane: Cluster
let admin: ConnectedCluster
before(async () => {
  plane = await useControlPlane()
  admin = connectCluster({ kubeconfig: plane.kubeconfig })
})
after(async () => {
  await admin?.close()
})

type Applied = { readonly context: PlanContext; readonly objects: readonly DesiredObject[]; readonly namespace: string }

/** Applies objects in a fresh namespace, whose account may do what `verbs` says to what is in it. */
async function applied(objects: readonly unknown[], verbs: readonly string[] = ['*']): Promise<Applied> {
  const namespace = await plane.freshNamespace()
  await plane.serviceAccountToken(namespace, 'waybill')
  const rbac = `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}`
  await plane.api('POST', `${rbac}/roles`, {
    body: { metadata: { name: 'all' }, rules: [{ apiGroups: ['*'], resources: ['*'], verbs }] },
  })
  await plane.api('POST', `${rbac}/rolebindings`, {
    body: {
      metadata: { name: 'all' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'all' },
      subjects: [{ kind: 'ServiceAccount', name: 'waybill', namespace }],
    },
  })
  const context: PlanContext = {
    delivery: { name: 'shop', namespace, uid: 'u' },
    account: { namespace, serviceAccount: 'waybill' },
    digest: parseDigest(`sha256:${'1'.repeat(64)}`),
    adopt: 'never',
    prune: { enabled: true, maxPercent: 100 },
    confirmed: undefined,
    environment: 'production',
    claimKey: Buffer.alloc(32, 1),
  }
  const parsed = objects.map((object) => JSON.parse(JSON.stringify(object))).filter(isKubeObject)
  const desired = prepare(parsed, context, (await resolveResources(admin, parsed)).resources)
  for (const one of desired) {
    assert.ok(one.resource)
    const answer = await applyObject(admin, context.account, one.resource, one, 'absent', { dryRun: false })
    assert.equal(answer.status, 201, JSON.stringify(answer.body))
  }
  return { context, objects: desired, namespace }
}

test('a Deployment is waited for by one watch until its Pods are ready', async () => {
  const mark = await plane.auditMark()
  const { context, objects, namespace } = await applied([deployment('web'), configMap('a')])
  const seen: string[] = []
  const health = await waitHealthy(context, objects, admin, {
    timeoutMs: 60_000,
    onProgress: ({ waiting }) => seen.push(waiting.map(({ message }) => message).join()),
  })
  const { versions, ...found } = health
  assert.deepEqual(found, { healthy: true, failed: [], waiting: [] })
  assert.deepEqual(
    objects.filter(({ key }) => versions.has(key)).map(({ id }) => id.kind),
    ['Deployment'],
  )
  assert.equal(seen.at(-1), '')
  const asked = (await plane.auditSince(mark)).filter(
    ({ impersonatedUser, verb }) =>
      impersonatedUser?.username === `system:serviceaccount:${namespace}:waybill` &&
      ['get', 'list', 'watch'].includes(verb),
  )
  const requests = new Map(asked.map(({ auditID, verb, objectRef }) => [auditID, `${verb} ${objectRef?.resource}`]))
  assert.deepEqual([...requests.values()], ['watch deployments'])
})

test('what does not become ready in time is named, with what it is waiting for', async () => {
  const { context, objects, namespace } = await applied([deployment('web', {}, { paused: true })])
  const health = await waitHealthy(context, objects, admin, { timeoutMs: 1500 })
  assert.equal(health.healthy, false)
  assert.deepEqual(
    health.waiting.map(({ object }) => object),
    [`Deployment.apps ${namespace}/web`],
  )
  assert.match(health.waiting[0]?.message ?? '', /0 of 2 replicas/)
})

test('a rollout past its deadline has failed, and its Pods say why', async () => {
  const stuck = deployment('web', {}, { progressDeadlineSeconds: 1, minReadySeconds: 0 })
  Object.assign(stuck.spec.template.spec, { nodeSelector: { nowhere: 'true' } })
  const { context, objects } = await applied([stuck])
  const health = await waitHealthy(context, objects, admin, { timeoutMs: 30_000 })
  assert.deepEqual(
    health.failed.map(({ message }) => message),
    ['ProgressDeadlineExceeded: not scheduled (Unschedulable)'],
  )
})

test('an account that may not watch is told so', async () => {
  const { context, objects } = await applied([deployment('web')], ['create', 'patch', 'get'])
  const health = await waitHealthy(context, objects, admin, { timeoutMs: 10_000 })
  assert.deepEqual(
    health.failed.map(({ message }) => message),
    ['the service account may not list and watch it'],
  )
})

test('waiting ends when it is told to', async () => {
  const { context, objects } = await applied([deployment('web', {}, { paused: true })])
  const stop = new AbortController()
  setTimeout(() => stop.abort(), 300)
  const before = Date.now()
  const health = await waitHealthy(context, objects, admin, { timeoutMs: 60_000, signal: stop.signal })
  assert.equal(health.healthy, false)
  assert.ok(Date.now() - before < 5000)
})
