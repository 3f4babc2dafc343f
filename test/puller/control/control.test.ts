import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { approvalOf, planDigest, shownPlan } from '../../../puller/control/approval.ts'
import {
  controlOf,
  holdEndFacts,
  isMove,
  liftOf,
  suspensionFacts,
  windowWait,
} from '../../../puller/control/control.ts'
import { gateOf } from '../../../puller/control/gate.ts'
import { readOnly } from '../../../puller/control/read-only.ts'
import { planSays, soonerAt, suspendedSays, waitingSays } from '../../../puller/control/says.ts'
import { type Change, type Delivery, type RecordFacts, recordSpecSchema } from '../../../puller/kinds.ts'
import { parseDelivery } from '../../../puller/observe.ts'
import { triggerOf } from '../../../puller/reconcile/facts.ts'
import { recordHash } from '../../../puller/records/chain.ts'
import type { LedgerSummary } from '../../../puller/records/ledger.ts'
import { summarize } from '../../../puller/records/ledger-summary.ts'
import { nextStatus } from '../../../puller/say/status.ts'
import { FakeCluster } from '../../fakes/cluster.ts'
import { A, B, DELIVERY, facts } from '../records/records-fixture.ts'

const NOW = Date.parse('2026-11-21T12:00:00Z')
const AT = '2026-11-21T12:00:00Z'
const PAST = '2026-11-21T11:59:59Z'
const FUTURE = '2026-11-21T12:00:01Z'

function after(...all: readonly RecordFacts[]): LedgerSummary {
  const records = all.map((one, i) =>
    recordSpecSchema.parse({ ...one, delivery: DELIVERY, sequence: i + 1, key: recordHash('key'), signature: '' }),
  )
  return { ...summarize(records), records }
}

function delivery(spec: Record<string, unknown> = {}, metadata: Record<string, unknown> = {}): Delivery {
  return parseDelivery({
    metadata: {
      ...DELIVERY,
      generation: 3,
      resourceVersion: '1',
      managedFields: [{ manager: 'kubectl-edit', time: AT, fieldsV1: { 'f:spec': {} } }],
      ...metadata,
    },
    spec: { source: { repository: 'registry.example.com/acme/shop', channel: 'production' }, ...spec },
  })
}

describe('a suspension', () => {
  test('holds until its end, which no longer belongs to it', () => {
    assert.equal(controlOf(delivery({ suspend: {} }), NOW).suspended?.untilMs, undefined)
    assert.equal(controlOf(delivery({ suspend: { until: FUTURE } }), NOW).suspended?.untilMs, NOW + 1000)
    const over = controlOf(delivery({ suspend: { until: AT } }), NOW)
    assert.deepEqual([over.suspended, over.expired], [undefined, ['suspend']])
    assert.equal(over.delivery.spec.suspend, undefined)
  })

  test('is on record once, again when it is changed, and when it is over', () => {
    const say = (spec: Record<string, unknown>, ...all: readonly RecordFacts[]) => {
      const one = delivery(spec)
      const found = suspensionFacts(one, controlOf(one, NOW), after(...all), AT)
      return found && `${found.kind} ${found.trigger.type} ${found.trigger.by}: ${found.trigger.reason}`
    }
    const until = { suspend: { until: FUTURE, reason: 'move' } }
    assert.equal(say(until), `Suspended spec kubectl-edit: until ${FUTURE}: move`)
    const began = facts('Suspended', {
      trigger: { type: 'spec', generation: 2, reason: `until ${FUTURE}: move` },
      startedAt: PAST,
    })
    assert.equal(say(until, began), undefined)
    assert.equal(say({ suspend: {} }, began), 'Suspended spec kubectl-edit: undefined')
    assert.equal(say({}, began), 'Resumed spec kubectl-edit: undefined')
    const ended = { suspend: { until: PAST } }
    assert.equal(say(ended, began), `Resumed expiry undefined: the suspension ended at ${PAST}`)
    assert.equal(say({}, began, facts('Resumed')), undefined)
    assert.equal(say({}), undefined)
    assert.equal(say(ended), undefined, 'one that nobody saw begin')
  })

  test('says nothing of releases: what failed is still tried again, and what was chosen stays chosen', () => {
    const failed = [facts('Intent', { digest: A }), facts('Failed', { digest: A, intent: 1 })]
    const summary = after(...failed, facts('Suspended'), facts('Resumed'))
    assert.equal(summary.lastOutcome?.kind, 'Failed')
  })
})

describe('who lifted something', () => {
  const lifted = (at: string, text: string) => ({
    annotations: { 'waybill.dev/lifted': text },
    managedFields: [
      { manager: 'kubectl-create', time: PAST, fieldsV1: { 'f:spec': {} } },
      {
        manager: 'waybill-resume',
        time: at,
        fieldsV1: { 'f:metadata': { 'f:annotations': { 'f:waybill.dev/lifted': {} } } },
      },
    ],
  })
  test('is who set the annotation since then', () => {
    assert.deepEqual(liftOf(delivery({}, lifted(AT, `${AT} all is well`)), AT), {
      by: 'waybill-resume',
      reason: 'all is well',
    })
    assert.deepEqual(liftOf(delivery({}, lifted(AT, AT)), AT), { by: 'waybill-resume' })
  })
  test('is nobody whom an older edit names', () => {
    assert.deepEqual(liftOf(delivery({}, lifted(PAST, `${PAST} before`)), AT), {})
  })
})

describe('a hold whose end has come', () => {
  const held = [facts('Intent', { digest: A }), facts('Applied', { digest: A, intent: 1 })]
  const hold = facts('RolledBack', { digest: B, trigger: { type: 'hold', generation: 2 } })
  const spec = { hold: { digest: B, until: PAST, reason: 'checkout' } }

  test('counts no more, and is on record once', () => {
    assert.equal(controlOf(delivery(spec), NOW).delivery.spec.hold, undefined)
    const ended = holdEndFacts(delivery(spec), after(...held, hold), AT)
    assert.equal(ended?.trigger.reason, `the hold ended at ${PAST}: checkout`)
    assert.ok(ended)
    assert.equal(holdEndFacts(delivery(spec), after(...held, hold, ended), AT), undefined)
    assert.equal(holdEndFacts(delivery(spec), after(...held), AT), undefined, 'one that was never carried out')
  })

  test('is why the next release comes, whether or not the field could be taken out of the spec', () => {
    const ended = facts('Resumed', { digest: B, trigger: { type: 'expiry', generation: 2, reason: 'the hold ended' } })
    for (const generation of [2, 3]) {
      const one = delivery({}, { generation })
      assert.deepEqual(triggerOf(one, after(...held, hold, ended), { via: 'channel', digest: A }), {
        type: 'expiry',
        generation,
        reason: 'the hold ended',
      })
    }
    const next = facts('Applied', { digest: A, trigger: { type: 'expiry', generation: 3 } })
    const later = triggerOf(delivery({}, { generation: 4 }), after(...held, hold, ended, next), {
      via: 'channel',
      digest: A,
    })
    assert.equal(later.type, 'spec')
  })
})

describe('a new release', () => {
  const runs = [
    facts('Intent', { digest: A, environment: 'production' }),
    facts('Applied', { digest: A, intent: 1, environment: 'production' }),
  ]
  const move = (digest: typeof A, spec = {}, via: 'channel' | 'hold' = 'channel') =>
    isMove(after(...runs), delivery(spec), { via, digest })

  test('is another digest or another environment, and what a person holds is none', () => {
    assert.deepEqual([move(A), move(B), move(B, {}, 'hold')], [false, true, false])
    assert.equal(move(A, { environment: 'staging' }), true)
    assert.equal(move(A, { prune: { enabled: false } }), false)
    assert.equal(isMove(after(), delivery(), { via: 'channel', digest: A }), true, 'the first')
    const dropped = { ...after(...runs), records: [] }
    const toStaging = delivery({ environment: 'staging' })
    assert.equal(isMove(dropped, toStaging, { via: 'channel', digest: A }), true, 'its records are behind a Checkpoint')
  })

  test('waits outside its windows for the next that opens', () => {
    const allow = { kind: 'allow', start: '0 14 * * *', duration: '1h' }
    assert.match(String(windowWait(delivery({ windows: [allow] }), NOW)?.until), /2026-11-21T14:00:00Z/)
    assert.equal(windowWait(delivery({ windows: [allow] }), NOW + 2 * 3_600_000), undefined)
    assert.equal(windowWait(delivery({ windows: [] }), NOW), undefined)
  })
})

describe('the digest of a plan', () => {
  const change: Change = { action: 'configure', object: 'ConfigMap shop/a', fields: ['data.a'] }
  const base = { digest: A, environment: 'production', treeDigest: B, records: after(facts('Intent')).records }
  const of = (planned: Partial<typeof base>, ...changes: readonly Change[]) =>
    planDigest({ ...base, ...planned }, { changes, failures: [] })
  const same = of({}, change)

  test('leaves out who holds the fields and since when, and drift that was put back', () => {
    assert.equal(of({}, { ...change, manager: 'kubectl-edit', since: AT, operation: 'Update' }), same)
    const drift = facts('Intent', { digest: A, trigger: { type: 'drift', generation: 1 } })
    assert.equal(of({ records: after(facts('Intent'), drift).records }, change), same)
  })

  test('changes with the release, the objects, the action, the fields, what does not answer, and the release that it starts from', () => {
    const others = [
      of({ digest: B }, change),
      of({ environment: 'staging' }, change),
      of({ treeDigest: A }, change),
      of({}, { ...change, action: 'adopt' }),
      of({}, { ...change, object: 'ConfigMap shop/b' }),
      of({}, { ...change, fields: ['data.b'] }),
      of({}),
      of({ records: after(facts('Intent'), facts('Applied', { digest: A, intent: 1 })).records }, change),
      planDigest(base, {
        changes: [change],
        failures: [{ object: 'x', code: 'APPLY_FAILED', message: '', group: 0 }],
      }),
    ]
    assert.equal(new Set([same, ...others]).size, others.length + 1)
  })

  test('is what an approval has to name, after the digest of the release', () => {
    const approval = (text: string) => approvalOf(delivery({}, { annotations: { 'waybill.dev/approve': text } }), A, B)
    assert.equal(approval(`${A} ${B}`).kind, 'approved')
    for (const text of ['', A, `${A} `, `${B} ${B}`, `${A} ${B} ${B}`, `${A}  ${B}`, `${A} yes`])
      assert.deepEqual(approval(text), { kind: 'needed' }, text)
    assert.deepEqual(approval(`${A} ${A}`), { kind: 'needed', stale: A })
  })
})

test('what waits for approval, and the approval, go on record once each, also where the puller stopped right after it', async () => {
  const written: RecordFacts[] = []
  const [digest, environment] = [A, 'production']
  const trusted = { signers: [], policies: [], releases: ['1.4.2'] }
  const source = { repository: { registry: 'r', path: 'p', repository: 'r/p' }, canonical: 'r/p' }
  const verified = { ...source, digest, trusted }
  const fetched = { verified, environment, treeDigest: B, config: { source: { revision: 'sha1:0' } } }
  const plan = { changes: [{ action: 'create', object: 'ConfigMap shop/a' }], failures: [], isNoop: false }
  const looks = (annotations: Record<string, string>) => {
    const summary = after(...written)
    const append = async (one: RecordFacts) => void written.push({ ...one, revision: undefined })
    const site = { clock: { nowMs: () => NOW } }
    const observed = { site, delivery: delivery({ sync: 'approve' }, { annotations }), ledger: { summary, append } }
    return Reflect.apply(gateOf, undefined, [observed, { ...source, via: 'channel', digest }, fetched])(plan)
  }
  const waiting = await looks({})
  await looks({})
  assert.equal(waiting.reason, 'AwaitingApproval')
  const approved = { 'waybill.dev/approve': `${A} ${waiting.shown.plan}` }
  assert.deepEqual([await looks(approved), await looks(approved)], ['go', 'go'])
  assert.deepEqual(
    written.map(({ kind }) => kind),
    ['AwaitingApproval', 'Approved'],
  )
  written.push(facts('RolledBack', { digest: B }))
  const again = await looks(approved)
  assert.match(
    again.message,
    /^1\.4\.2, sha256:[0-9a-f]{12} waits for approval of plan sha256:[0-9a-f]{12}: `waybill plan/,
    'it was done, and did not go stale',
  )
})

test('a status shows the first changes of a large plan, how many there are, and not who holds fields', () => {
  const many: Change[] = Array.from({ length: 300 }, (_, i) => ({
    action: 'configure',
    object: `ConfigMap shop/${i}`,
    fields: Array.from({ length: 50 }, (_, f) => `data.${f}`),
    manager: 'kubectl-edit',
  }))
  const { changes } = shownPlan(A, B, { changes: many })
  assert.equal(changes.total, 300)
  assert.ok(changes.listed.length > 20 && changes.listed.length <= 50)
  const long = many.map((change) => ({ ...change, fields: change.fields?.map((field) => field.padEnd(500, '.')) }))
  assert.ok(JSON.stringify(shownPlan(A, B, { changes: long })).length < 20 * 1024)
  assert.equal(changes.listed[0]?.manager, undefined)
})

test('a status says from whom an object would be taken over', () => {
  const adopt = { action: 'adopt', object: 'ConfigMap shop/a', manager: 'kubectl-create' } as const
  assert.equal(shownPlan(A, B, { changes: [adopt] }).changes.listed[0]?.manager, 'kubectl-create')
})

describe('while a release waits', () => {
  const waiting = { kind: 'waiting', reason: 'AwaitingApproval', message: 'it waits' } as const

  test('Ready is Unknown, and what is wrong with what runs comes first', () => {
    const runs = after(facts('Applied', { digest: A }))
    const well = waitingSays({ waiting, kept: true, result: { kind: 'healthy', corrected: undefined } }, runs)
    assert.deepEqual([well.ready.status, well.ready.reason], ['Unknown', 'AwaitingApproval'])
    assert.match(well.ready.message, /runs on$/)
    const said = { code: 'HEALTH_FAILED', message: 'api crashes' } as const
    const ill = waitingSays({ waiting, kept: true, result: { kind: 'failed', said } }, runs)
    assert.deepEqual([ill.ready.status, ill.ready.reason], ['False', 'HEALTH_FAILED'])
  })

  test('what only an edit ends is stalled, and not under way', () => {
    const forever = { ...waiting, reason: 'DependencyNotReady', forever: true } as const
    const { stalled, reconciling } = waitingSays({ waiting: forever, kept: false }, after())
    assert.deepEqual([stalled?.reason, reconciling], ['DependencyNotReady', undefined])
  })

  test('its plan goes out of the status while the Delivery is suspended: in the middle of a release it is none any more', () => {
    const plan = { digest: A, plan: B, at: AT, changes: { total: 0, digest: A, listed: [] } }
    assert.equal(nextStatus({ plan }, suspendedSays(3, 'hands off'), AT).plan, undefined)
  })

  test('its plan stays in the status while nobody could ask, and goes when nothing waits', () => {
    assert.deepEqual(planSays({ kept: false, refusal: { code: 'REGISTRY_UNREACHABLE', message: '' } }), {})
    const repository = { registry: 'r', path: 'p', repository: 'r/p' }
    const resolved = { via: 'channel', repository, canonical: 'r/p', digest: A } as const
    assert.deepEqual(planSays({ kept: false, resolved, result: { kind: 'healthy', corrected: undefined } }), {
      plan: null,
    })
  })

  test('it is looked at when its time comes, and not later than else', () => {
    assert.deepEqual(soonerAt({ kind: 'after', ms: 60_000 }, [NOW + 30_000, undefined], NOW), {
      kind: 'at',
      ms: 30_000,
    })
    assert.deepEqual(soonerAt({ kind: 'after', ms: 60_000 }, [NOW + 90_000], NOW), { kind: 'after', ms: 60_000 })
    assert.deepEqual(soonerAt({ kind: 'after', ms: 60_000 }, [undefined], NOW), { kind: 'after', ms: 60_000 })
    assert.deepEqual(soonerAt({ kind: 'never' }, [NOW - 5], NOW), { kind: 'at', ms: 0 })
    assert.deepEqual(soonerAt({ kind: 'backoff' }, [NOW + 5], NOW), { kind: 'backoff' })
    const refused = { kind: 'backoff', maxMs: 60_000, isAnswer: true } as const
    assert.deepEqual(soonerAt(refused, [NOW + 30_000], NOW), { ...refused, maxMs: 30_000 })
    assert.deepEqual(soonerAt(refused, [NOW + 90_000], NOW), refused)
  })
})

test('who only looks sends reads, dry runs and questions about himself, and nothing else', async () => {
  const fake = new FakeCluster()
  const cluster = readOnly(fake)
  const account = { namespace: 'shop', serviceAccount: 'waybill' }
  const path = '/api/v1/namespaces/shop/configmaps/a'
  await cluster.request(account, { method: 'GET', path })
  await cluster.request(account, {
    method: 'POST',
    path: '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
    body: {},
  })
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE'] as const) {
    await assert.rejects(cluster.request(account, { method, path, body: {} }), { code: 'INTERNAL' })
    await assert.rejects(cluster.request('puller', { method, path, body: {}, query: { dryRun: '' } }), {
      code: 'INTERNAL',
    })
  }
})
