import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { shopImages } from '../node/images.ts'
import { startNode } from '../node/start.ts'
import { field } from '../real/cluster.ts'
import { shopRepository } from './shop.ts'
import { addTenant, install, openSite, pullerPods, pushPuller, until } from './site.ts'

const node = await startNode()
after(() => node.stop())
const site = await openSite(node, await pushPuller(node))
const images = await shopImages(node)
const shop = shopRepository(site, images.first)
await install(site)
await shop.publish('1.0.0')
await addTenant(site, 'shop', shop.repository)
await site.becomes('shop', 'shop', 'True Applied')

const greeting = async () => field(await site.get('configmap', 'shop', 'shop'), 'data', 'greeting')
const version = async () => field(await site.get('delivery', 'shop', 'shop'), 'status', 'applied', 'version')

/** What must be so after any trouble: the newest release runs and is healthy, drift is put back, and the record is whole. */
async function converged(newest: string): Promise<void> {
  await until(`${newest} runs`, 180_000, async () => (await version()) === newest)
  await site.becomes('shop', 'shop', 'True Applied')
  await node.kubectl(['delete', 'configmap', 'shop', '-n', 'shop'])
  await until(
    'what is deleted is put back',
    60_000,
    async () => (await site.get('configmap', 'shop', 'shop')) !== undefined,
  )
  await until('both replicas are ready', 120_000, async () => {
    const ready = (await pullerPods(site)).map((pod) => field(pod, 'status', 'containerStatuses', 0, 'ready'))
    return ready.length === 2 && ready.every((one) => one === true)
  })
  for (const name of ['api', 'web'])
    await until(
      `${name} is whole`,
      120_000,
      async () => field(await site.get('deployment', 'shop', name), 'status', 'readyReplicas') === 2,
    )
  assert.match(await site.waybill('audit', 'shop', '-n', 'shop'), /whole and in order/)
}

test('an API server that is killed and starts again leaves everything converged', { timeout: 600_000 }, async () => {
  shop.greet('Hello after the API server')
  await Promise.all([node.restartApiServer({ pauseMs: 5_000 }), shop.publish('1.1.0')])
  await converged('1.1.0')
  assert.equal(await greeting(), 'Hello after the API server')
})

test('a registry that is down keeps nobody from repair, and brings the next release when it is back', {
  timeout: 600_000,
}, async () => {
  await node.stopRegistry()
  await node.kubectl([
    'patch',
    'configmap',
    'shop',
    '-n',
    'shop',
    '--type=merge',
    '-p',
    '{"data":{"greeting":"Defaced"}}',
  ])
  await until(
    'it is put back with the registry down',
    60_000,
    async () => (await greeting()) === 'Hello after the API server',
  )
  await until('Ready says that the registry is not there', 60_000, async () =>
    JSON.stringify(field(await site.get('delivery', 'shop', 'shop'), 'status', 'conditions')).includes('REGISTRY_'),
  )
  await node.startRegistry()
  shop.use('api', images.second)
  await shop.publish('1.2.0')
  await converged('1.2.0')
})

test('a node that loses its network for a minute leaves everything converged', { timeout: 600_000 }, async () => {
  shop.use('web', images.second)
  shop.greet('Hello from the other side')
  await shop.publish('1.3.0')
  const lost = node.loseNetwork(60_000)
  await node.kubectl(['delete', 'service', 'web', '-n', 'shop'])
  await lost
  await converged('1.3.0')
  assert.equal(await greeting(), 'Hello from the other side')
  assert.notEqual(await site.get('service', 'shop', 'web'), undefined)
})
