import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseReference } from '../../../contract/reference.ts'
import { healthOf } from '../../../puller/health/health.ts'
import {
  API_VERSION,
  type Delivery,
  type DeliveryStatus,
  deliverySpecSchema,
  recordSpecSchema,
} from '../../../puller/kinds.ts'
import type { Ending } from '../../../puller/reconcile/reconcile.ts'
import { summarize } from '../../../puller/records/ledger-summary.ts'
import { findingOf, findingOfError } from '../../../puller/say/report.ts'
import { nextStatus } from '../../../puller/say/status.ts'
import { A, B, chainOf, DELIVERY, facts, newKeys } from '../records/records-fixture.ts'

const NOW = '2026-11-21T12:00:00Z'
const repository = 'registry.example.com/acme/shop'
const delivery: Delivery = {
  ...DELIVERY,
  generation: 2,
  resourceVersion: '1',
  annotations: {},
  spec: deliverySpecSchema.parse({ source: { repository, channel: 'production' } }),
  status: {},
}
const keys = newKeys()
const ran = chainOf(keys, [
  facts('Intent', { digest: A, trigger: { type: 'spec', generation: 2 } }),
  facts('Applied', { digest: A, version: '1.0.0', intent: 1, trigger: { type: 'spec', generation: 2 } }),
]).map(({ spec }) => recordSpecSchema.parse(spec))
const summary = { ...summarize(ran), records: ran }
const resolved = {
  repository: parseReference(repository),
  canonical: repository,
  digest: A,
  via: 'channel',
  channel: 'production',
} as const
const said = (code: Parameters<typeof findingOfError>[1]['code']) => ({ code, message: `what is wrong: ${code}` })

type Case = {
  readonly ending: Ending
  readonly kstatus: string
  readonly Ready: string
  readonly Verified?: string
  readonly Healthy?: string
  readonly Drifted?: string
}

/** By what happened: what kstatus makes of the conditions, and what they say. */
const CASES: Readonly<Record<string, Case>> = {
  'it runs and is well': {
    ending: { resolved, result: { kind: 'healthy', corrected: undefined }, kept: false },
    kstatus: 'healthy',
    Ready: 'True Applied',
    Verified: 'True Verified',
    Healthy: 'True Healthy',
    Drifted: 'False InSync',
  },
  'drift is left as it is': {
    ending: {
      resolved,
      result: {
        kind: 'healthy',
        corrected: undefined,
        left: [{ action: 'configure', object: 'ConfigMap shop/a', fields: ['data.k'], manager: 'kubectl-edit' }],
      },
      kept: false,
    },
    kstatus: 'healthy',
    Ready: 'True Applied',
    Drifted: 'True Reported',
  },
  'what is asked for is not signed, and what ran before runs on': {
    ending: {
      resolved: { ...resolved, digest: B },
      refusal: said('SIGNATURE_MISSING'),
      result: { kind: 'healthy', corrected: undefined },
      kept: true,
    },
    kstatus: 'failed',
    Ready: 'False SIGNATURE_MISSING',
    Verified: 'False SIGNATURE_MISSING',
    Healthy: 'True Healthy',
  },
  'an object is somebody else’s': {
    ending: {
      resolved,
      refusal: said('OBJECT_OWNED'),
      result: { kind: 'refused', said: said('OBJECT_OWNED'), objects: [] },
      kept: false,
    },
    kstatus: 'failed',
    Ready: 'False OBJECT_OWNED',
    Verified: 'True Verified',
  },
  'objects do not become ready in time': {
    ending: { resolved, result: { kind: 'failed', said: said('HEALTH_TIMEOUT') }, kept: false },
    kstatus: 'waiting',
    Ready: 'False HEALTH_TIMEOUT',
    Verified: 'True Verified',
    Healthy: 'False HEALTH_TIMEOUT',
  },
  'an apply fails': {
    ending: { resolved, result: { kind: 'failed', said: said('APPLY_FAILED') }, kept: false },
    kstatus: 'waiting',
    Ready: 'False APPLY_FAILED',
    Healthy: 'Unknown APPLY_FAILED',
  },
  'the registry is away, and what ran before runs on': {
    ending: { refusal: said('REGISTRY_UNREACHABLE'), result: { kind: 'healthy', corrected: undefined }, kept: true },
    kstatus: 'healthy',
    Ready: 'True Applied',
    Verified: 'Unknown REGISTRY_UNREACHABLE',
    Healthy: 'True Healthy',
  },
  'the registry is away from the start': {
    ending: { refusal: said('REGISTRY_UNREACHABLE'), kept: false },
    kstatus: 'waiting',
    Ready: 'False REGISTRY_UNREACHABLE',
    Verified: 'Unknown REGISTRY_UNREACHABLE',
  },
}

function objectWith(status: DeliveryStatus, generation = delivery.generation) {
  const { namespace, name, uid } = DELIVERY
  return {
    apiVersion: API_VERSION,
    kind: 'Delivery',
    metadata: { namespace, name, uid, generation },
    status: plain(status),
  }
}
const plain = (value: unknown) => JSON.parse(JSON.stringify(value))
const sayings = ({ conditions = [] }: DeliveryStatus, type: string) => {
  const found = conditions.find((one) => one.type === type)
  return found && `${found.status} ${found.reason}`
}

for (const [what, { ending, kstatus, ...conditions }] of Object.entries(CASES))
  test(`where ${what}, the conditions say so, and kstatus takes it for ${kstatus}`, () => {
    const status = nextStatus({}, findingOf(delivery, summary, ending), NOW)
    assert.equal(healthOf(objectWith(status)).state, kstatus, JSON.stringify(status.conditions))
    for (const [type, expected] of Object.entries(conditions)) assert.equal(sayings(status, type), expected, type)
    for (const { reason, message, observedGeneration } of status.conditions ?? []) {
      assert.match(reason, /^[A-Za-z]\w*$/)
      assert.notEqual(message, '')
      assert.equal(observedGeneration, 2)
    }
  })

test('what a person has to change is Stalled, with what to do; what recovers by itself is Reconciling', () => {
  const stalled = nextStatus({}, findingOfError(2, said('ACCOUNT_MISSING'), summary), NOW)
  assert.equal(sayings(stalled, 'Stalled'), 'True ACCOUNT_MISSING')
  assert.match(stalled.conditions?.find(({ type }) => type === 'Stalled')?.message ?? '', /Create the service account/)
  const retrying = nextStatus({}, findingOfError(2, said('CLUSTER_FAILED'), summary), NOW)
  assert.equal(sayings(retrying, 'Stalled'), undefined)
  assert.equal(sayings(retrying, 'Reconciling'), 'True Retrying')
})

test('conditions that speak of a problem say what to do about it', () => {
  const ending: Ending = { resolved, result: { kind: 'failed', said: said('HEALTH_FAILED') }, kept: false }
  const { conditions = [] } = nextStatus({}, findingOf(delivery, summary, ending), NOW)
  assert.match(conditions.find(({ type }) => type === 'Healthy')?.message ?? '', /HEALTH_FAILED\. Look at the objects/)
})

const failing = (
  object: string,
  ending: { readonly held?: true },
  code: 'HEALTH_FAILED' | 'APPLY_FAILED' = 'HEALTH_FAILED',
) => {
  const broken = chainOf(keys, [
    facts('Intent', { digest: B, version: '1.1.0' }),
    facts('Failed', {
      digest: B,
      version: '1.1.0',
      intent: 1,
      error: { code, message: 'broken', objects: [{ object, code: 'HEALTH_FAILED', message: 'broken' }] },
    }),
  ]).map(({ spec }) => recordSpecSchema.parse(spec))
  const result = { kind: 'failed', said: { code, message: `${object}: broken` }, ...ending } as const
  const found = findingOf(delivery, { ...summarize(broken), records: broken }, { resolved, result, kept: false })
  return nextStatus({}, found, NOW)
}

test('a release whose Job failed, or that is kept back, stands still: it is Stalled, and Ready names what failed', () => {
  for (const status of [failing('Job.batch shop/migrate', {}), failing('Deployment.apps shop/api', { held: true })]) {
    assert.equal(sayings(status, 'Ready'), 'False HEALTH_FAILED')
    assert.equal(sayings(status, 'Stalled'), 'True HEALTH_FAILED')
    assert.equal(sayings(status, 'Reconciling'), undefined)
    const said = (type: string) => status.conditions?.find((one) => one.type === type)?.message ?? ''
    assert.match(said('Ready'), /^1\.1\.0, sha256:\w{12} failed: \S+ shop\/\w+: broken$/)
    assert.match(said('Stalled'), /newer release .*An edit of the Delivery/)
  }
  assert.equal(sayings(failing('Deployment.apps shop/api', {}), 'Reconciling'), 'True Retrying')
  assert.equal(sayings(failing('Job.batch shop/migrate', {}, 'APPLY_FAILED'), 'Reconciling'), 'True Retrying')
})

test('a Delivery that was edited is in progress until its new generation was looked at', () => {
  const status = nextStatus(
    {},
    findingOf(delivery, summary, { resolved, result: { kind: 'healthy', corrected: undefined }, kept: false }),
    NOW,
  )
  assert.equal(healthOf(objectWith(status, 2)).state, 'healthy')
  assert.equal(healthOf(objectWith(status, 3)).state, 'waiting')
})

test('what runs is told by its version, or by its digest where it has none', () => {
  const status = (records: typeof ran) =>
    nextStatus({}, findingOf(delivery, { ...summarize(records), records }, { kept: false }), NOW)
  assert.equal(status(ran).runs, '1.0.0')
  assert.equal(status(ran.map(({ version: _, ...record }) => record)).runs, A.slice(0, 19))
  assert.equal(status([]).runs, undefined)
})
