import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Cluster, field, startControlPlane, useControlPlane } from './control-plane.ts'

const podTemplate = (annotations: Record<string, string>) => ({
  metadata: { labels: { app: 'web' }, annotations },
  spec: { containers: [{ name: 'main', image: 'example.com/x' }] },
})

const deployment = (annotations: Record<string, string> = {}) => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'web' },
  spec: { replicas: 2, selector: { matchLabels: { app: 'web' } }, template: podTemplate(annotations) },
})

async function get(cluster: Cluster, path: string): Promise<unknown> {
  return (await cluster.api('GET', path)).body
}

test('a Deployment becomes ready, and its Pods are gone when it is deleted', async () => {
  const cluster = await useControlPlane()
  const namespace = await cluster.freshNamespace()
  const path = `/apis/apps/v1/namespaces/${namespace}/deployments`
  assert.equal((await cluster.api('POST', path, { body: deployment() })).status, 201)
  await cluster.eventually('two replicas are ready', async () => {
    return field(await get(cluster, `${path}/web`), 'status', 'readyReplicas') === 2
  })
  await cluster.api('DELETE', `${path}/web?propagationPolicy=Background`)
  await cluster.eventually('no Pod is left', async () => {
    const pods = field(await get(cluster, `/api/v1/namespaces/${namespace}/pods`), 'items')
    return Array.isArray(pods) && pods.length === 0
  })
})

test('Pods crash, fail or stay pending when their annotation says so', async () => {
  const cluster = await useControlPlane()
  const namespace = await cluster.freshNamespace()
  const path = `/api/v1/namespaces/${namespace}/pods`
  for (const fate of ['crash', 'fail', 'pending']) {
    const { metadata, spec } = podTemplate({ 'waybill.test/pod': fate })
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { ...metadata, name: fate }, spec }
    // The service account `default` is made by a controller, a moment after its namespace.
    await cluster.eventually(
      'the Pod is accepted',
      async () => (await cluster.api('POST', path, { body: pod })).status === 201,
    )
  }
  await cluster.eventually('the crashing Pod is in CrashLoopBackOff', async () => {
    const pod = await get(cluster, `${path}/crash`)
    return field(pod, 'status', 'containerStatuses', 0, 'state', 'waiting', 'reason') === 'CrashLoopBackOff'
  })
  await cluster.eventually('the failing Pod has failed', async () => {
    return field(await get(cluster, `${path}/fail`), 'status', 'phase') === 'Failed'
  })
  assert.equal(field(await get(cluster, `${path}/pending`), 'status', 'phase'), 'Pending')
})

test('a Job completes', async () => {
  const cluster = await useControlPlane()
  const namespace = await cluster.freshNamespace()
  const path = `/apis/batch/v1/namespaces/${namespace}/jobs`
  const template = { spec: { restartPolicy: 'Never', containers: [{ name: 'main', image: 'example.com/x' }] } }
  const job = { apiVersion: 'batch/v1', kind: 'Job', metadata: { name: 'once' }, spec: { template } }
  assert.equal((await cluster.api('POST', path, { body: job })).status, 201)
  await cluster.eventually('the Job succeeded', async () => {
    return field(await get(cluster, `${path}/once`), 'status', 'succeeded') === 1
  })
})

test('a person and a service account may do what a role says and no more', async () => {
  const cluster = await useControlPlane()
  const namespace = await cluster.freshNamespace()
  const secrets = `/api/v1/namespaces/${namespace}/secrets`
  const account = await cluster.serviceAccountToken(namespace, 'reader')
  const alice = cluster.userTokens.alice
  assert.ok(alice)
  for (const token of [account, alice]) assert.equal((await cluster.api('GET', secrets, { token })).status, 403)
  await cluster.runKubectl(['-n', namespace, 'create', 'role', 'reads', '--verb=list', '--resource=secrets'])
  const subjects = ['--user=alice', `--serviceaccount=${namespace}:reader`]
  await cluster.runKubectl(['-n', namespace, 'create', 'rolebinding', 'reads', '--role=reads', ...subjects])
  for (const token of [account, alice]) assert.equal((await cluster.api('GET', secrets, { token })).status, 200)
  assert.equal((await cluster.api('DELETE', secrets, { token: account })).status, 403)
})

test('kubeconfigs for people and service accounts say who they are', async () => {
  const cluster = await useControlPlane()
  const namespace = await cluster.freshNamespace()
  const whoami = async (kubeconfig: string) =>
    (await cluster.runKubectl(['auth', 'whoami', '-o', 'jsonpath={.status.userInfo.username}'], { kubeconfig })).trim()
  assert.equal(await whoami(cluster.userKubeconfig('alice')), 'alice')
  const account = await cluster.serviceAccountKubeconfig(namespace, 'puller')
  assert.equal(await whoami(account), `system:serviceaccount:${namespace}:puller`)
})

test('the audit log names who called and as whom', async () => {
  const cluster = await useControlPlane()
  const namespace = await cluster.freshNamespace()
  const mark = await cluster.auditMark()
  const asAccount = ['-n', namespace, '--as', `system:serviceaccount:${namespace}:default`]
  await assert.rejects(cluster.runKubectl([...asAccount, 'create', 'configmap', 'note']), /forbidden/)
  const events = (await cluster.auditSince(mark)).filter(({ objectRef }) => objectRef?.namespace === namespace)
  const create = events.find(({ verb }) => verb === 'create')
  assert.equal(create?.user.username, 'waybill-test:admin')
  assert.equal(create?.impersonatedUser?.username, `system:serviceaccount:${namespace}:default`)
  assert.equal(create?.objectRef?.resource, 'configmaps')
  assert.equal(create?.responseStatus?.code, 403)
})

test('an API server that was stopped and started again still has its objects', async (t) => {
  const cluster = await startControlPlane({ controllers: false, scheduler: false, kwok: false })
  t.after(cluster.stop)
  const namespace = await cluster.freshNamespace()
  await cluster.stopApiserver()
  await assert.rejects(cluster.api('GET', `/api/v1/namespaces/${namespace}`))
  await cluster.startApiserver()
  assert.equal((await cluster.api('GET', `/api/v1/namespaces/${namespace}`)).status, 200)
})
