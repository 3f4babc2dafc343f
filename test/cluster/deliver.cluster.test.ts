import assert from 'node:assert/strict'
import { test } from 'node:test'
import { shopImages } from '../node/images.ts'
import { useNode } from '../node/start.ts'
import { repositoryOf } from '../packager/repository.ts'
import { field } from '../real/cluster.ts'
import { putUpGate } from './gate.ts'
import { publish, shopRepository } from './shop.ts'
import { addTenant, install, leader, openSite, pullerPods, pushPuller, until } from './site.ts'

const node = await useNode()
const site = await openSite(node, await pushPuller(node))
const images = await shopImages(node)
const shop = shopRepository(site, images.first)
await install(site)

test('the puller runs from its image as two replicas under Pod Security restricted, and one of them leads', async () => {
  const pods = await pullerPods(site)
  assert.equal(pods.length, 2)
  for (const pod of pods) {
    const [container] = [field(pod, 'status', 'containerStatuses', 0)]
    assert.deepEqual([field(container, 'ready'), field(container, 'restartCount')], [true, 0])
    assert.equal(field(pod, 'spec', 'containers', 0, 'image'), site.image)
  }
  const enforced = field(
    await site.get('namespace', '', 'waybill-system'),
    'metadata',
    'labels',
    'pod-security.kubernetes.io/enforce',
  )
  assert.equal(enforced, 'restricted')
  const names = pods.map((pod) => field(pod, 'metadata', 'name'))
  await until('one of them leads', 30_000, async () => names.includes(await leader(site)))
})

test('the shop is delivered with real containers, and is Ready when they are', async () => {
  const digest = await shop.publish('1.0.0')
  await addTenant(site, 'shop', shop.repository, { onFailure: 'rollback', timeout: '40s' })
  await site.becomes('shop', 'shop', 'True Applied')
  assert.equal(field(await site.get('delivery', 'shop', 'shop'), 'status', 'applied', 'digest'), digest)
  for (const name of ['api', 'web']) {
    const status = field(await site.get('deployment', 'shop', name), 'status')
    assert.equal(field(status, 'readyReplicas'), 2)
    const answer = await node.eventually('its Service answers', async () =>
      node.get(`http://${await address(name)}/`).catch(() => undefined),
    )
    assert.equal(field(JSON.parse(answer.body), 'greeting'), 'Hello from production')
  }
  assert.equal(await site.recordKinds('shop', 'shop'), 'Intent Applied')
})

test('health is real health: a pod that is gone and cannot come back takes Ready with it', async () => {
  const [nodeName] = (await site.list('nodes')).map((one) => String(field(one, 'metadata', 'name')))
  await node.kubectl(['cordon', String(nodeName)])
  try {
    await node.kubectl(['delete', 'pods', '-n', 'shop', '-l', 'app.kubernetes.io/name=api'])
    await until('Ready says that it is not', 60_000, async () => (await site.ready('shop', 'shop')).startsWith('False'))
  } finally {
    await node.kubectl(['uncordon', String(nodeName)])
  }
  await site.becomes('shop', 'shop', 'True Applied')
})

test('a release whose pod crashes fails, and the shop goes back to the one before', async () => {
  const good = field(await site.get('delivery', 'shop', 'shop'), 'status', 'applied', 'digest')
  shop.use('api', images.crashing)
  shop.greet('Never seen')
  const bad = await shop.publish('1.1.0')
  await site.becomes('shop', 'shop', 'True Held')
  const delivery = await site.get('delivery', 'shop', 'shop')
  assert.equal(field(delivery, 'spec', 'hold', 'digest'), good)
  assert.match(await site.recordKinds('shop', 'shop'), /Intent Failed Intent RolledBack$/)
  const failed = (await site.list('deliveryrecords', 'shop')).find((one) => field(one, 'spec', 'kind') === 'Failed')
  assert.equal(field(failed, 'spec', 'digest'), bad)
  assert.match(
    String(field(failed, 'spec', 'error', 'message')),
    /Deployment\.apps shop\/api: .*: container \S+ exits with 1/,
  )
  await until(
    'the old pods answer',
    60_000,
    async () => field(await site.get('deployment', 'shop', 'api'), 'status', 'readyReplicas') === 2,
  )
  assert.equal(field(await site.get('configmap', 'shop', 'shop'), 'data', 'greeting'), 'Hello from production')
})

test('the leader is deleted in the middle of an apply, and the other one ends it', async (t) => {
  const count = 60
  const objects = Array.from({ length: count }, (_, at) => settings(`part-${at}`))
  const repository = `${node.registry}/parts`
  const folder = repositoryOf({
    'waybill.yaml': packageFile('parts', repository),
    'deploy/parts.yaml': objects.join('---\n'),
  })
  await publish(site, folder, '1.0.0')
  const gate = await putUpGate(node, 'parts', 20)
  t.after(() => gate.end())
  await addTenant(site, 'parts', repository)
  const there = async () => (await site.list('configmaps', 'parts', 'applyset.kubernetes.io/part-of')).length
  await until('it is in the middle', 120_000, async () => (await gate.held()) > 0)
  const before = await leader(site)
  await node.kubectl(['delete', 'pod', before, '-n', 'waybill-system', '--wait=false'])
  await until('the other one leads', 120_000, async () => ![before, ''].includes(await leader(site)))
  const halfway = await there()
  assert.ok(0 < halfway && halfway < count, `${halfway} of ${count} were there when the other one began`)
  await gate.open()
  await site.becomes('parts', 'parts', 'True Applied')
  assert.equal(await there(), count)
  const kinds = await site.recordKinds('parts', 'parts')
  assert.match(kinds, /^Intent( Intent)* Applied$/)
  assert.match(await site.waybill('audit', 'parts', '-n', 'parts'), /whole and in order/)
})

test('a tenant’s Delivery can neither write nor read in the namespace of another', async () => {
  const repository = `${node.registry}/intruder`
  const steal = `${settings('mine')}---\n${settings('theirs', 'shop')}`
  const folder = repositoryOf({ 'waybill.yaml': packageFile('intruder', repository), 'deploy/all.yaml': steal })
  await publish(site, folder, '1.0.0')
  await addTenant(site, 'intruder', repository)
  await until('it is refused', 60_000, async () => (await site.ready('intruder', 'intruder')).startsWith('False'))
  const delivery = await site.get('delivery', 'intruder', 'intruder')
  assert.match(
    JSON.stringify(field(delivery, 'status', 'conditions')),
    /ConfigMap shop.theirs: the service account may not get it/,
  )
  assert.equal(
    await site.get('configmap', 'intruder', 'mine'),
    undefined,
    'nothing is written where one object is refused',
  )
  assert.equal(await site.get('configmap', 'shop', 'theirs'), undefined)
  for (const verb of ['get', 'create', 'delete'])
    for (const what of ['secrets', 'configmaps', 'deliveries.waybill.dev'])
      assert.equal(await may('system:serviceaccount:intruder:waybill', verb, what, 'shop'), 'no', `${verb} ${what}`)
  for (const what of ['secrets', 'configmaps'])
    assert.equal(await may('system:serviceaccount:waybill-system:waybill-puller', 'list', what, 'shop'), 'no', what)
})

async function address(service: string): Promise<string> {
  return String(field(await site.get('service', 'shop', service), 'spec', 'clusterIP'))
}

async function may(user: string, verb: string, what: string, namespace: string): Promise<string> {
  const answer = await node.run('kubectl', ['auth', 'can-i', verb, what, '-n', namespace, '--as', user])
  return answer.stdout.trim()
}

const settings = (name: string, namespace?: string) =>
  `apiVersion: v1\nkind: ConfigMap\nmetadata: { name: ${name}${namespace === undefined ? '' : `, namespace: ${namespace}`} }\ndata: { text: ${name} }\n`

const packageFile = (name: string, repository: string) => `apiVersion: waybill.dev/v1alpha1
kind: Package
metadata: { name: ${name} }
spec:
  repository: ${repository}
  source: https://git.example.com/acme/${name}
  kubernetes: { version: "1.36" }
  environments:
    production: { manifests: [deploy] }
`
