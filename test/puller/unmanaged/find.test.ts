import assert from 'node:assert/strict'
import { test } from 'node:test'
import { objectKey } from '../../../contract/artifact/objects.ts'
import { findUnmanaged, inStages, isLeftOut, neededBy, type Seen } from '../../../puller/unmanaged/find.ts'

const seen = (kind: string, name: string, more: Partial<Seen> = {}): Seen => {
  const [short = '', ...group] = kind.split('.')
  const id = { group: group.join('.'), kind: short, namespace: 'shop', name }
  return {
    id,
    uid: `uid-${kind}-${name}`,
    path: `/${name}`,
    resourceVersion: '1',
    isOwned: false,
    annotations: [],
    isKept: false,
    mark: '',
    ...more,
  }
}
const nothing = { inventories: new Map(), needed: [], ignore: [] }
const names = (found: ReturnType<typeof findUnmanaged>) => found.objects.map(({ id }) => id.name)

test('what a Delivery owns, what belongs to another object and what the cluster makes itself is left out', () => {
  const mine = seen('ConfigMap', 'mine')
  const pending = seen('ConfigMap', 'pending')
  const replaced = seen('ConfigMap', 'replaced')
  const inventories = new Map([
    [objectKey(mine.id), { uid: mine.uid }],
    [objectKey(pending.id), {}],
    [objectKey(replaced.id), { uid: 'of another one' }],
  ])
  const found = findUnmanaged(
    [
      mine,
      pending,
      replaced,
      seen('Pod', 'of-a-replicaset', { isOwned: true }),
      seen('ConfigMap', 'kube-root-ca.crt'),
      seen('ServiceAccount', 'default'),
      seen('Endpoints', 'web'),
      seen('EndpointSlice.discovery.k8s.io', 'web-1'),
      seen('Event', 'e'),
      seen('Event.events.k8s.io', 'e'),
      seen('Lease.coordination.k8s.io', 'l'),
      seen('Secret', 'token', { annotations: ['kubernetes.io/service-account.name'] }),
      seen('DeliveryRecord.waybill.dev', 'r'),
      seen('Deployment.apps', 'forgotten'),
      seen('Secret', 'forgotten-too'),
    ],
    { ...nothing, inventories },
  )
  assert.deepEqual(names(found), ['replaced', 'forgotten', 'forgotten-too'])
})

test('what the Deliveries of a namespace need there, and what is to be ignored, is left out', () => {
  const needed = neededBy([
    {
      metadata: { namespace: 'shop' },
      spec: {
        source: { pullSecret: { name: 'pull' }, caSecret: { name: 'ca' } },
        notifications: [{ secret: { name: 'chat' } }],
      },
    },
    { metadata: { namespace: 'else' }, spec: { serviceAccountName: 'other', source: {} } },
  ])
  const rbac = 'rbac.authorization.k8s.io'
  const found = findUnmanaged(
    [
      ...['pull', 'ca', 'chat', 'login'].map((name) => seen('Secret', name)),
      seen('ServiceAccount', 'waybill'),
      seen(`Role.${rbac}`, 'waybill'),
      seen(`RoleBinding.${rbac}`, 'waybill-puller-waybill'),
      seen('ServiceAccount', 'other'),
      seen('ConfigMap', 'notes-1'),
    ],
    { ...nothing, needed, ignore: [{ kind: 'ConfigMap', name: 'notes-*' }] },
  )
  assert.deepEqual(names(found), ['login', 'other'])
})

test('what is confirmed is exactly these objects: one more, or another of the same name, is another set', () => {
  const a = seen('ConfigMap', 'a')
  const b = seen('ConfigMap', 'b')
  const digest = (...objects: Seen[]) => findUnmanaged(objects, nothing).digest
  assert.equal(digest(a, b), digest(b, a, b))
  assert.notEqual(digest(a, b), digest(a))
  assert.notEqual(digest(a), digest({ ...a, uid: 'made anew' }))
})

test('workloads are deleted before what they use', () => {
  const order = inStages([seen('ConfigMap', 'c'), seen('Deployment.apps', 'd'), seen('Service', 's')])
  assert.deepEqual(
    order.map((stage) => stage.map(({ id }) => id.name)),
    [['d', 's'], ['c']],
  )
})

test('kinds of which nothing is reported are not even looked at; those of which something is, are', () => {
  assert.equal(isLeftOut({ group: '', kind: 'Event' }), true)
  assert.equal(isLeftOut({ group: 'waybill.dev', kind: 'DeliveryRecord' }), true)
  assert.equal(isLeftOut({ group: '', kind: 'ConfigMap' }), false)
  assert.equal(isLeftOut({ group: 'example.com', kind: 'Event' }), false)
})
