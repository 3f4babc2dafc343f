import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type KubeObject, objectId, objectKey } from '../../../contract/artifact/objects.ts'
import { type Order, orderOf } from '../../../contract/ordering/order.ts'
import { stageOf } from '../../../contract/ordering/stages.ts'

test('objects without annotations come in the stages of their kinds', () => {
  const names = namesOf(
    orderOf([object('apps/v1', 'Deployment', 'api'), object('v1', 'ConfigMap', 'settings'), namespace('shop')]),
  )
  assert.deepEqual(names, [['Namespace/shop'], ['ConfigMap/settings'], ['Deployment/api']])
})

test('waves order what is of one stage, negative ones before the rest, and never reach over stages', () => {
  const names = namesOf(
    orderOf([
      object('apps/v1', 'Deployment', 'late', { wave: '1000' }),
      object('apps/v1', 'Deployment', 'usual'),
      object('batch/v1', 'Job', 'migrate', { wave: '-5' }),
      object('v1', 'ConfigMap', 'settings', { wave: '7' }),
    ]),
  )
  assert.deepEqual(names, [['ConfigMap/settings'], ['Job/migrate'], ['Deployment/usual'], ['Deployment/late']])
})

test('a dependant comes just after what it depends on, also where that comes in a later wave or stage', () => {
  const order = orderOf([
    object('apps/v1', 'Deployment', 'api', { 'depends-on': 'apps/namespaces/shop/Deployment/cache' }),
    object('apps/v1', 'Deployment', 'cache', { wave: '3' }),
    object('v1', 'ConfigMap', 'after', { 'depends-on': 'apps/Deployment/api,/namespaces/shop/Secret/key' }),
    object('v1', 'Secret', 'key'),
  ])
  assert.deepEqual(order.faults, [])
  assert.deepEqual(namesOf(order), [['Secret/key'], ['Deployment/cache'], ['Deployment/api'], ['ConfigMap/after']])
  assert.deepEqual(
    order.groups.map(({ stage, wave, depth }) => [stage, wave, depth]),
    [
      [1, 0, 0],
      [3, 3, 0],
      [3, 3, 1],
      [3, 3, 2],
    ],
  )
})

test('a dependency that is early anyway moves nothing', () => {
  const order = orderOf([
    object('apps/v1', 'Deployment', 'api', { wave: '2', 'depends-on': '/Secret/key' }),
    object('v1', 'Secret', 'key', { wave: '9' }),
  ])
  assert.deepEqual(
    order.groups.map(({ stage, wave, depth }) => [stage, wave, depth]),
    [
      [1, 9, 0],
      [3, 2, 0],
    ],
  )
})

test('a name without a namespace means an object beside the dependant, or one of the whole cluster', () => {
  const dependant = object('apps/v1', 'Deployment', 'api', { 'depends-on': '/Namespace/other, /Secret/key' })
  const set = [dependant, namespace('other'), object('v1', 'Secret', 'key')]
  assert.deepEqual(orderOf(set).faults, [])
  const elsewhere = [dependant, namespace('other'), object('v1', 'Secret', 'key', {}, 'other')]
  assert.deepEqual(messages(orderOf(elsewhere)), [
    'Deployment.apps shop/api: waybill.dev/depends-on: there is no /Secret/key among the objects',
  ])
})

test('a dependency in a ring is told once, with everything that is in the ring', () => {
  const order = orderOf([
    object('v1', 'ConfigMap', 'aside', { 'depends-on': 'apps/Deployment/a' }),
    object('apps/v1', 'Deployment', 'a', { 'depends-on': 'apps/Deployment/b' }),
    object('apps/v1', 'Deployment', 'b', { 'depends-on': 'apps/Deployment/c' }),
    object('apps/v1', 'Deployment', 'c', { 'depends-on': 'apps/Deployment/a' }),
    object('apps/v1', 'Deployment', 'self', { 'depends-on': 'apps/Deployment/self' }),
  ])
  assert.deepEqual(messages(order), [
    'Deployment.apps shop/a: waybill.dev/depends-on: it would come before itself: Deployment.apps shop/a → Deployment.apps shop/b → Deployment.apps shop/c → Deployment.apps shop/a',
    'Deployment.apps shop/self: waybill.dev/depends-on: it would come before itself: Deployment.apps shop/self → Deployment.apps shop/self',
  ])
  assert.deepEqual(
    order.faults.map(({ code, object }) => [code, object.metadata.name]),
    [
      ['DEPENDENCY_CYCLE', 'a'],
      ['DEPENDENCY_CYCLE', 'self'],
    ],
  )
})

test('nothing comes before its Namespace or its CRD, and an annotation that asks for it is a fault', () => {
  const definition: KubeObject = {
    ...object('apiextensions.k8s.io/v1', 'CustomResourceDefinition', 'jugs.shop.example'),
    spec: { group: 'shop.example', names: { kind: 'Jug' } },
  }
  const jug = object('shop.example/v1', 'Jug', 'one')
  const early = { 'depends-on': 'shop.example/namespaces/shop/Jug/one' }
  const forced = { ...definition, metadata: { ...definition.metadata, annotations: annotations(early) } }
  assert.deepEqual(messages(orderOf([jug, forced])), [
    'CustomResourceDefinition.apiextensions.k8s.io jugs.shop.example: waybill.dev/depends-on: it would come before itself: ' +
      'CustomResourceDefinition.apiextensions.k8s.io jugs.shop.example → Jug.shop.example shop/one → ' +
      'its kind’s CustomResourceDefinition.apiextensions.k8s.io jugs.shop.example',
  ])
  assert.deepEqual(messages(orderOf([jug, namespace('shop', early)])), [
    'Namespace shop: waybill.dev/depends-on: it would come before itself: Namespace shop → Jug.shop.example shop/one → its Namespace shop',
  ])
  // Elsewhere it may: what stands in it goes along.
  const moved = orderOf([object('v1', 'Secret', 'in'), namespace('shop', { 'depends-on': '/namespaces/b/Pod/p' }), pod])
  assert.deepEqual(moved.faults, [])
  assert.deepEqual(namesOf(moved), [['Pod/p'], ['Namespace/shop'], ['Secret/in']])
})

const pod = object('v1', 'Pod', 'p', {}, 'b')

test('a long ring is cut in the middle, so that the message stays short', () => {
  const ring = Array.from({ length: 500 }, (_, i) =>
    object('v1', 'Pod', `p${i}`, { 'depends-on': `/Pod/p${(i + 1) % 500}` }),
  )
  const [message = ''] = messages(orderOf(ring))
  assert.ok(message.includes('Pod shop/p3 → 493 more → Pod shop/p497'), message)
})

test('an order exists whatever the faults: each object once, and what can be kept is kept', () => {
  const order = orderOf([
    object('v1', 'Pod', 'b', { 'depends-on': '/Pod/gone,/Pod/a', wave: 'first' }),
    object('v1', 'Pod', 'a'),
    object('v1', 'Pod', 'a'),
    object('v1', 'Pod', 'ring', { 'depends-on': '/Pod/ring' }),
  ])
  assert.deepEqual(namesOf(order), [['Pod/a', 'Pod/ring'], ['Pod/b']])
  assert.deepEqual(
    order.faults.map(({ code }) => code),
    ['ANNOTATION_INVALID', 'DEPENDENCY_UNKNOWN', 'DEPENDENCY_CYCLE'],
  )
})

test('a chain of 10,000 objects, and 10,000 that all depend on one, are ordered without a deep stack', () => {
  const chain = Array.from({ length: 10_000 }, (_, i) =>
    object('v1', 'Pod', `p${i}`, i === 9_999 ? {} : { 'depends-on': `/Pod/p${i + 1}` }),
  )
  assert.equal(orderOf(chain).groups.length, 10_000)
  assert.equal(orderOf(chain).groups[0]?.keys[0], '/Pod/shop/p9999')
  const star = chain.map((one, i) =>
    i === 0 ? object('v1', 'Pod', 'p0') : object('v1', 'Pod', one.metadata.name, { 'depends-on': '/Pod/p0' }),
  )
  assert.deepEqual(
    orderOf(star).groups.map(({ keys }) => keys.length),
    [1, 9_999],
  )
})

/** Objects that may name only those before them, so that there is no ring. */
const acyclic = fc
  .array(
    fc.record({
      kind: fc.constantFrom(['v1', 'ConfigMap'], ['v1', 'Pod'], ['apps/v1', 'Deployment'], ['v1', 'Namespace']),
      wave: fc.integer({ min: -3, max: 3 }),
      inNamespace: fc.constantFrom('', 'shop', 'other'),
      after: fc.array(fc.nat(), { maxLength: 3 }),
      isShort: fc.boolean(),
    }),
    { maxLength: 25 },
  )
  .map((drawn) => {
    const made: KubeObject[] = []
    for (const [i, { kind, wave, inNamespace, after, isShort }] of drawn.entries()) {
      const [apiVersion = '', kindName = ''] = kind
      const at = kindName === 'Namespace' ? '' : inNamespace
      // A Namespace of the set that had to wait for what stands in it would be a ring.
      const others = kindName === 'Namespace' ? [] : made
      const named = after.flatMap((n) => {
        const one = others[n % Math.max(others.length, 1)]
        return one === undefined ? [] : [reference(one, isShort && (one.metadata.namespace ?? '') === at)]
      })
      const dependsOn = named.length === 0 ? {} : { 'depends-on': named.join(',') }
      const name = kindName === 'Namespace' && i === 0 ? 'shop' : `n${i}`
      made.push(object(apiVersion, kindName, name, { wave: String(wave), ...dependsOn }, at))
    }
    return made
  })

test('whatever is annotated: every object once, each after what it depends on and after its Namespace, the rest where it asks', () => {
  fc.assert(
    fc.property(acyclic, (objects) => {
      const { groups, faults, directives } = orderOf(objects)
      assert.deepEqual(faults, [])
      assert.deepEqual(groups.flatMap(({ keys }) => keys).sort(), objects.map(keyOf).sort())
      const at = new Map(groups.flatMap(({ keys }, i) => keys.map((key) => [key, i] as const)))
      const place = (key: string): number => at.get(key) ?? -1
      for (const one of objects) {
        const { dependsOn = [], wave } = directives.get(keyOf(one)) ?? {}
        const needs = dependsOn.map(({ group, kind, namespace, name }) =>
          [namespace ?? one.metadata.namespace ?? '', ''].map((ns) => `${group}/${kind}/${ns}/${name}`),
        )
        for (const [beside = '', whole = ''] of needs)
          assert.ok((at.get(beside) ?? place(whole)) < place(keyOf(one)), `${keyOf(one)} after ${beside}`)
        const own = at.get(`/Namespace//${one.metadata.namespace}`)
        assert.ok(own === undefined || own < place(keyOf(one)))
        const group = groups[place(keyOf(one))]
        if (dependsOn.length === 0) assert.deepEqual([group?.stage, group?.wave], [stageOf(objectId(one)), wave])
      }
    }),
  )
})

test('the order is the same before and after a namespace was filled in', () => {
  fc.assert(
    fc.property(acyclic, (objects) => {
      const isPlaced = (one: KubeObject) => one.kind === 'Namespace' || one.metadata.namespace !== undefined
      const placed = objects.map((one) =>
        isPlaced(one) ? one : { ...one, metadata: { ...one.metadata, namespace: 'default-place' } },
      )
      const names = (order: Order, from: readonly KubeObject[]) => {
        const index = new Map(from.map((one, i) => [keyOf(one), i]))
        return order.groups.map(({ keys }) => keys.map((key) => index.get(key)))
      }
      const after = orderOf(placed, { defaultNamespace: 'default-place' })
      assert.deepEqual(after.faults, [])
      assert.deepEqual(names(after, placed), names(orderOf(objects), objects))
    }),
  )
})

function object(
  apiVersion: string,
  kind: string,
  name: string,
  directives: Readonly<Record<string, string>> = {},
  namespace = kind === 'CustomResourceDefinition' ? '' : 'shop',
): KubeObject {
  const where = namespace === '' ? {} : { namespace }
  return { apiVersion, kind, metadata: { name, ...where, annotations: annotations(directives) } }
}

function namespace(name: string, directives: Readonly<Record<string, string>> = {}): KubeObject {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name, annotations: annotations(directives) } }
}

function annotations(directives: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(directives).map(([name, value]) => [`waybill.dev/${name}`, value]))
}

function reference(target: KubeObject, isShort: boolean): string {
  const { group, kind, namespace, name } = objectId(target)
  return namespace === '' || isShort ? `${group}/${kind}/${name}` : `${group}/namespaces/${namespace}/${kind}/${name}`
}

function keyOf(one: KubeObject): string {
  return objectKey(objectId(one))
}

function namesOf({ groups }: Order): readonly (readonly string[])[] {
  return groups.map(({ keys }) =>
    keys.map((key) => {
      const [, kind, , name] = key.split('/')
      return `${kind}/${name}`
    }),
  )
}

function messages({ faults }: Order): readonly string[] {
  return faults.map(({ name, message }) => `${name}: ${message}`)
}
