import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { field } from '../real/cluster.ts'
import { shopImages } from './images.ts'
import type { ClusterNode } from './node.ts'
import { useNode } from './start.ts'

const node = await useNode()
const images = await shopImages(node)

/** A namespace under Pod Security `restricted`, removed after the test. */
async function restrictedNamespace(t: TestContext): Promise<string> {
  const name = `smoke-${randomBytes(4).toString('hex')}`
  const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' }
  await apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } })
  t.after(() => node.kubectl(['delete', 'namespace', name, '--wait=false']))
  return name
}

async function apply(...objects: readonly object[]): Promise<string> {
  return node.kubectl(['apply', '-f', '-'], {
    input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }),
  })
}

type Shop = { readonly namespace: string; readonly image: string; readonly replicas?: number; readonly memory?: string }

function shop({ namespace, image, replicas = 1, memory = '64Mi' }: Shop): readonly object[] {
  const labels = { app: 'shop' }
  const container = {
    name: 'shop',
    image,
    ports: [{ name: 'http', containerPort: 8080 }],
    env: [{ name: 'greeting', value: 'Hello' }],
    resources: { requests: { cpu: '10m', memory: '16Mi' }, limits: { memory } },
    readinessProbe: { httpGet: { path: '/', port: 'http' }, periodSeconds: 1 },
    securityContext: {
      readOnlyRootFilesystem: true,
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'] },
    },
  }
  const pod = {
    securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
    containers: [container],
  }
  const metadata = { name: 'shop', namespace }
  const template = { metadata: { labels }, spec: pod }
  return [
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata,
      spec: { replicas, selector: { matchLabels: labels }, template },
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata,
      spec: { selector: labels, ports: [{ port: 80, targetPort: 'http' }] },
    },
  ]
}

const rolledOut = (namespace: string) =>
  node.kubectl(['-n', namespace, 'rollout', 'status', 'deployment/shop', '--timeout=90s'])

async function read(namespace: string, what: string, path: string): Promise<string> {
  return node.kubectl(['-n', namespace, 'get', what, '-o', `jsonpath=${path}`])
}

/** What the Service answers; kube-proxy may be a moment behind the rollout. */
function answerOf(namespace: string): Promise<unknown> {
  return node.eventually('the Service answers', async () => {
    const address = await read(namespace, 'service/shop', '{.spec.clusterIP}')
    const answer = await node.get(`http://${address}/`).catch(() => undefined)
    return answer === undefined ? undefined : JSON.parse(answer.body)
  })
}

test('two replicas from an image of the project run under Pod Security restricted, and their Service answers', async (t) => {
  const namespace = await restrictedNamespace(t)
  await apply(...shop({ namespace, image: images.first, replicas: 2 }))
  await rolledOut(namespace)
  assert.equal(await read(namespace, 'deployment/shop', '{.status.readyReplicas}'), '2')
  const answer = await answerOf(namespace)
  assert.equal(field(answer, 'version'), '1.0.0')
  assert.equal(field(answer, 'greeting'), 'Hello')

  const pods = (await read(namespace, 'pods', '{.items[*].metadata.name}')).split(' ')
  assert.ok(pods.includes(String(field(answer, 'pod'))), `${pods}`)
  assert.match(await node.kubectl(['-n', namespace, 'logs', 'deployment/shop']), /shop 1\.0\.0 answers on :8080/)
  const address = await read(namespace, 'service/shop', '{.spec.clusterIP}')
  const inside = ['-n', namespace, 'exec', 'deployment/shop', '--', '/program', '-get', `http://${address}/`]
  assert.match(await node.kubectl(inside), /"version":"1\.0\.0"/)
})

test('a pod that Pod Security forbids is not started', async (t) => {
  const namespace = await restrictedNamespace(t)
  const { status, stderr } = await node.run('kubectl', ['-n', namespace, 'run', 'bare', '--image', images.first])
  assert.equal(status, 1)
  assert.match(stderr, /violates PodSecurity "restricted:latest"/)
})

test('a container that takes more memory than its limit is killed by the kernel, and started again', async (t) => {
  const namespace = await restrictedNamespace(t)
  await apply(...shop({ namespace, image: images.first }))
  await rolledOut(namespace)
  const path = '{.items[0].status.containerStatuses[0]'
  await node.run('kubectl', [
    '-n',
    namespace,
    'exec',
    'deployment/shop',
    '--',
    '/program',
    '-get',
    'http://127.0.0.1:8080/eat',
  ])
  await node.eventually('a second start', async () => (await read(namespace, 'pods', `${path}.restartCount}`)) === '1')
  assert.equal(await read(namespace, 'pods', `${path}.lastState.terminated.reason}`), 'OOMKilled')
  await rolledOut(namespace)
})

test('a release whose container ends at once never becomes ready, and says why in its log', async (t) => {
  const namespace = await restrictedNamespace(t)
  await apply(...shop({ namespace, image: images.crashing }))
  const path = '{.items[0].status.containerStatuses[0].state.waiting.reason}'
  await node.eventually('a back-off', async () => (await read(namespace, 'pods', path)) === 'CrashLoopBackOff', 90_000)
  assert.equal(await read(namespace, 'deployment/shop', '{.status.readyReplicas}'), '')
  assert.match(
    await node.kubectl(['-n', namespace, 'logs', 'deployment/shop']),
    /shop 1\.2\.0 cannot start: its database is not there/,
  )
})

test('people have no rights until they are given some', async () => {
  const asked = async (who: ClusterNode['kubeconfig']) =>
    (await node.run('kubectl', ['auth', 'can-i', 'get', 'secrets', '-A'], { env: { KUBECONFIG: who } })).stdout.trim()
  assert.equal(await asked(node.kubeconfig), 'yes')
  assert.equal(await asked(node.userKubeconfig('mallory')), 'no')
})
