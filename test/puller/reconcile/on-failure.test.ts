import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ErrorCode } from '../../../contract/errors.ts'
import { deliverySpecSchema, type RecordSpec, recordSpecSchema } from '../../../puller/kinds.ts'
import { parseDelivery } from '../../../puller/observe.ts'
import type { DesiredObject } from '../../../puller/plan/desired.ts'
import type { PlanGroup } from '../../../puller/plan/groups.ts'
import type { Plan } from '../../../puller/plan/plan.ts'
import { heldBack, stepBack } from '../../../puller/reconcile/on-failure.ts'
import { FakeCluster } from '../../fakes/cluster.ts'
import { A, B, chainOf, facts, newKeys } from '../records/records-fixture.ts'

const keys = newKeys()
const source = { repository: 'registry.example.com/acme/shop', channel: 'production' }

function member(name: string): DesiredObject {
  const id = { group: 'apps', kind: 'Deployment', namespace: 'shop', name }
  const object = { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name } }
  const key = name
  return { object, id, key, name, resource: undefined, crd: undefined, kindInSet: false, stage: 3, runsOnce: false }
}
const group = (name: string, changed: boolean): PlanGroup => ({
  members: [member(name)],
  changes: changed ? [{ action: 'create', desired: member(name) }] : [],
})
const plan = (...groups: PlanGroup[]): Pick<Plan, 'groups' | 'deletes'> => ({ groups, deletes: [] })

function kept(
  what: Pick<Plan, 'groups' | 'deletes'>,
  how: { readonly onFailure?: 'hold' | 'rollback' | 'continue'; readonly code?: ErrorCode; readonly open?: true } = {},
): number | undefined {
  const { onFailure = 'hold', code = 'HEALTH_TIMEOUT', open } = how
  const object = { object: 'store', code, message: 'not ready' }
  const failure = facts('Failed', { digest: A, intent: 1, error: { code, message: 'not ready', objects: [object] } })
  const [intent, outcome] = chainOf(keys, [facts('Intent', { digest: A }), failure]).map(({ spec }) =>
    recordSpecSchema.parse(spec),
  )
  assert.ok(intent !== undefined && outcome !== undefined)
  const delivery = {
    name: 'app',
    namespace: 'shop',
    uid: 'u',
    generation: 1,
    resourceVersion: '1',
    annotations: {},
    status: {},
    spec: deliverySpecSchema.parse({ source, onFailure }),
  }
  const summary: { openIntent?: RecordSpec; lastOutcome?: RecordSpec } =
    open === true ? { openIntent: intent } : { lastOutcome: outcome }
  return heldBack({ role: 'asked', delivery }, summary, intent, what)?.lastGroup
}

const waves = plan(group('settings', false), group('store', true), group('web', true))

test('what comes after the group that failed is kept back', () => {
  assert.equal(kept(waves), 1)
  assert.equal(kept(waves, { onFailure: 'rollback' }), 1)
  assert.equal(kept({ ...plan(group('store', false)), deletes: [removal] }), 0)
})

const removal = {
  entry: { group: 'apps', kind: 'Deployment', namespace: 'shop', name: 'old', uid: 'old', state: 'created' },
  key: 'old',
  name: 'old',
  path: '/apis/apps/v1/namespaces/shop/deployments/old',
  uid: 'old',
  resourceVersion: '1',
} as const

test('a release whose groups were all written is kept in shape as a whole, and may become healthy after all', () => {
  assert.equal(kept(plan(group('settings', true), group('store', true))), undefined)
})

test('nothing is kept back with continue, of a release that was only interrupted, or where the cluster was at fault', () => {
  assert.equal(kept(waves, { onFailure: 'continue' }), undefined)
  assert.equal(kept(waves, { open: true }), undefined)
  assert.equal(kept(waves, { code: 'APPLY_FAILED' }), undefined)
})

test('rollback goes to what was well of this package in this environment, and to nothing else', async () => {
  const path = '/apis/waybill.dev/v1alpha1/namespaces/shop/deliveries/app'
  const metadata = { name: 'app', namespace: 'shop', uid: 'u', generation: 1, resourceVersion: '1' }
  const back = async (before: Parameters<typeof facts>[1]) => {
    const cluster = new FakeCluster()
    const object = { metadata, spec: { source, onFailure: 'rollback' } }
    cluster.objects.set(path, object)
    const [applied] = chainOf(keys, [facts('Applied', { digest: A, ...before })]).map(({ spec }) =>
      recordSpecSchema.parse(spec),
    )
    assert.ok(applied)
    const job = { site: { cluster }, delivery: parseDelivery(object), role: 'asked' } as const
    const failing = { ...job, ledger: { summary: { applied } }, fetched: { verified: { digest: B } } }
    const done = await stepBack(failing, { code: 'HEALTH_FAILED', message: 'not ready' })
    assert.equal(JSON.stringify(cluster.objects.get(path)).includes(A), done)
    return done
  }
  assert.equal(await back({ source, environment: 'production' }), true)
  assert.equal(await back({ source: { repository: 'mirror.example.com/x', mirrorOf: source.repository } }), true)
  assert.equal(await back({ source: { repository: 'registry.example.com/acme/other' } }), false)
  assert.equal(await back({ source, environment: 'staging' }), false)
})
