import assert from 'node:assert/strict'
import { test } from 'node:test'
import { field, useControlPlane } from './control-plane.ts'

const deployment = (name: string, annotations: Record<string, string> = {}) => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name },
  spec: {
    replicas: 2,
    selector: { matchLabels: { app: name } },
    template: {
      metadata: { labels: { app: name }, annotations },
      spec: { containers: [{ name: 'main', image: 'example.com/x' }] },
    },
  },
})

test('a Deployment becomes ready and its Pods are gone when it is deleted', async () => {
  const cluster = await useControlPlane()
  const namespace = await cluster.freshNamespace()
  const path = `/apis/apps/v1/namespaces/${namespace}/deployments`
  assert.equal((await cluster.api('POST', path, { body: deployment('web') })).status, 201)
  await cluster.eventually('two replicas are ready', async () => {
    return field((await cluster.api('GET', `${path}/web`)).body, 'status', 'readyReplicas') === 2
  })
  await cluster.api('DELETE', `${path}/web?propagationPolicy=Background`)
  await cluster.eventually('no Pod is left', async () => {
    const pods = field((await cluster.api('GET', `/api/v1/namespaces/${namespace}/pods`)).body, 'items')
    return Array.isArray(pods) && pods.length === 0
  })
})
