import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { isJsonObject } from '../../../contract/canonical-json.ts'
import { attributionObjects } from '../../../puller/install/attribution.ts'
import { printYaml } from '../../../puller/install/print.ts'
import { field } from '../../real/control-plane.ts'
import { configMap, deployment } from '../release-fixture.ts'
import { startWorld, type Tenant, type World } from '../world.ts'

let world: World
before(async () => {
  world = await startWorld({ controllers: true })
  await world.plane.runKubectl(['apply', '--server-side', '-f', '-'], { input: printYaml(attributionObjects()) })
})
after(() => world?.stop())

const NOTE = 'waybill.dev/changed-by'
const merge = { contentType: 'application/merge-patch+json' }

async function delivered(): Promise<Tenant> {
  const tenant = await world.tenant()
  const objects = [configMap('greeting', { hello: 'world' }), withoutReplicas(deployment('api'))]
  const promotion = { channel: 'production', sequence: 1 }
  tenant.publish(tenant.release('1', objects), { version: '1.0.0', promotion })
  await tenant.deliver()
  assert.equal((await tenant.run()).ready, true)
  return tenant
}

function withoutReplicas(object: ReturnType<typeof deployment>): ReturnType<typeof deployment> {
  return { ...object, spec: { ...(isJsonObject(object.spec) ? object.spec : {}), replicas: 0 } }
}

const at = (tenant: Tenant, name = 'greeting') => `/api/v1/namespaces/${tenant.namespace}/configmaps/${name}`
const note = async (path: string) => field((await world.plane.api('GET', path)).body, 'metadata', 'annotations', NOTE)

test('drift names the person who made it, and what we write ourselves is noted of nobody', async () => {
  const tenant = await delivered()
  // The policy is in force when somebody's change is noted.
  await world.plane.eventually('the change is noted', async () => {
    await world.plane.api('PATCH', `${at(tenant)}?fieldManager=kubectl-edit`, {
      ...merge,
      body: { data: { hello: 'x', at: String(Date.now()) } },
    })
    return (await note(at(tenant))) !== undefined
  })
  const said = String(await note(at(tenant)))
  assert.match(said, /^\S+ \d+$/)
  await tenant.run()
  const drift = (await tenant.records()).findLast(({ changes }) =>
    changes?.listed.some(({ user }) => user !== undefined),
  )
  const change = drift?.changes?.listed.find(({ object }) => object.includes('greeting'))
  assert.equal(change?.user, said.split(' ')[0])
  assert.equal(change?.manager, 'kubectl-edit')
  assert.equal(await note(at(tenant)), said, 'putting it back is noted of nobody')
})

test('what a subresource changed is not laid at the door of who changed the object before', async () => {
  const tenant = await delivered()
  const api = `/apis/apps/v1/namespaces/${tenant.namespace}/deployments/api`
  await world.plane.eventually('the change is noted', async () => {
    const body = { metadata: { labels: { at: String(Date.now()) } } }
    await world.plane.api('PATCH', `${api}?fieldManager=kubectl-label`, { ...merge, body })
    return (await note(api)) !== undefined
  })
  await world.plane.runKubectl(['scale', 'deployment/api', '--replicas=1', '-n', tenant.namespace])
  await tenant.run()
  const change = (await tenant.records())
    .flatMap(({ changes }) => changes?.listed ?? [])
    .findLast(({ object, manager }) => object.includes('Deployment') && manager !== undefined)
  assert.equal(change?.manager, 'kubectl')
  assert.equal(change?.user, undefined)
})

test('objects that Waybill does not deliver are left as they are, with or without the label', async () => {
  const namespace = await world.plane.freshNamespace()
  const path = `/api/v1/namespaces/${namespace}/configmaps`
  const labels = { 'applyset.kubernetes.io/part-of': 'applyset-of-somebody-else-v1' }
  for (const [name, metadata] of Object.entries({ plain: {}, labelled: { labels } })) {
    await world.plane.api('POST', path, { body: { metadata: { name, ...metadata }, data: { a: '1' } } })
    await world.plane.api('PATCH', `${path}/${name}`, { ...merge, body: { data: { a: '2' } } })
    assert.equal(await note(`${path}/${name}`), undefined, name)
  }
})
