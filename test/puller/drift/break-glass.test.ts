import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isKubeObject, type KubeObject } from '../../../contract/artifact/objects.ts'
import type { JsonObject } from '../../../contract/canonical-json.ts'
import { brokenChange, glassReason } from '../../../puller/drift/break-glass.ts'
import { Hub } from '../../../puller/drift/hub.ts'
import { driftNews } from '../../../puller/drift/left-drift.ts'
import { isAlike, printOf } from '../../../puller/drift/print.ts'
import { Tracker } from '../../../puller/drift/tracker.ts'
import { changesSaid } from '../../../puller/events/say.ts'
import { type Change, recordSpecSchema } from '../../../puller/kinds.ts'
import { prepare } from '../../../puller/plan/desired.ts'
import { changeList } from '../../../puller/records/record.ts'
import { FakeClock } from '../fake-clock.ts'
import { account, context } from '../plan-fixture.ts'
import { chainOf, facts, newKeys } from '../records/records-fixture.ts'
import { added, endOfList, FakeWatches, SET, settle } from './fake-watches.ts'

const KEY = 'waybill.dev/break-glass'
const SET_LABEL = { 'applyset.kubernetes.io/part-of': SET }
const resource = { group: '', version: 'v1', kind: 'ConfigMap', plural: 'configmaps', namespaced: true }
const FIELD = 'metadata.annotations["waybill.dev/break-glass"]'

function object(annotations: Record<string, string>, more: JsonObject = {}): KubeObject {
  const metadata = { name: 'a', namespace: 'shop', uid: 'u', resourceVersion: '5', annotations }
  const plain: JsonObject = { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { a: '1' }, ...more }
  assert.ok(isKubeObject(plain))
  return plain
}
const declared = object({})
const reasonOf = (text: string) => glassReason(object({ [KEY]: text }))

test('the reason is one line of at most 256 characters, without what steers a terminal', () => {
  assert.equal(reasonOf(' INC-7:\n\u001b[31mdisk\u202e full\u0000 '), 'INC-7: [31mdisk full')
  assert.equal(reasonOf('see https://jane:pw@example.com/x?token=y'), 'see https://***@example.com/x?***')
  assert.equal(reasonOf('x'.repeat(300))?.length, 256)
  assert.ok(reasonOf(`${'x'.repeat(254)}😀😀`)?.isWellFormed())
})

test('a blank reason breaks nothing, and one that cannot be read does, as the guard has it', () => {
  assert.equal(glassReason(declared), undefined)
  assert.equal(reasonOf(' \n\t'), undefined)
  assert.equal(reasonOf('\u0085\u00a0'), undefined)
  for (const unseen of ['\u200b', '\ufeff']) assert.equal(reasonOf(unseen), 'nothing that can be read')
})

test('the annotation counts as a field that differs, whatever spec.ignore leaves to others, next to what was changed under it', () => {
  const live = object({ [KEY]: 'why' }, { data: { a: '2' } })
  const dryRun = object({ [KEY]: 'why' })
  const change = brokenChange('ConfigMap shop/a', { live, dryRun, reason: 'why' }, (path) => path.length === 3)
  assert.deepEqual(change.fields, [FIELD, 'data.a'])
  assert.equal(change.breakGlass, 'why')
  assert.deepEqual(change.values?.[0], { field: 'data.a', declared: '"1"', found: '"2"' })
})

test('of a Secret the reason is told, and no value', () => {
  const live = object({ [KEY]: 'why' }, { kind: 'Secret', data: { a: 'Mg==' } })
  const dryRun = object({ [KEY]: 'why' }, { kind: 'Secret' })
  const change = brokenChange('Secret shop/a', { live, dryRun, reason: 'why' }, () => false)
  assert.equal(change.breakGlass, 'why')
  assert.equal(change.values, undefined)
})

test('that the annotation comes, says something else or goes is seen in the metadata', () => {
  const kind = { group: '', kind: 'ConfigMap' }
  const prints = [object({}), object({ [KEY]: 'a' }), object({ [KEY]: 'b' })].map((one) => printOf(kind, one))
  for (const [i, earlier] of prints.entries())
    for (const [j, later] of prints.entries()) assert.equal(earlier && later && isAlike(earlier, later), i === j)
})

test('another reason is told anew, in Events and conditions too', () => {
  const change = (breakGlass: string): Change => ({
    action: 'configure',
    object: 'ConfigMap shop/a',
    fields: [FIELD],
    breakGlass,
  })
  const told = facts('DriftDetected', { changes: changeList([change('a')]) })
  const records = chainOf(newKeys(), [told]).map(({ spec }) => recordSpecSchema.parse(spec))
  assert.deepEqual(driftNews(records, [change('a')]).began, [])
  assert.deepEqual(driftNews(records, [change('b')]).began, [change('b')])
  assert.match(changesSaid([change('a')]), /break glass: a\)/)
})

test('where the guard is installed, an object whose glass is broken is not as it is wanted, even as our own write left it', async () => {
  for (const guard of [false, true]) {
    const cluster = new FakeWatches()
    const live = { ...object({ [KEY]: 'why' }), metadata: { ...object({ [KEY]: 'why' }).metadata, labels: SET_LABEL } }
    cluster.begin = () => [added(live), endOfList(5)]
    const clock = new FakeClock()
    const woken: string[] = []
    const hub = new Hub(cluster, { clock, onFault: (error) => assert.fail(String(error)) })
    const wake = { drifted: () => woken.push('drifted'), stirred: () => {} }
    const tracker = new Tracker(hub, SET, clock, wake, { guard })
    const [one] = prepare([declared], context, new Map([['v1 ConfigMap', resource]]))
    assert.ok(one)
    tracker.begin()
    tracker.want([one])
    tracker.written(one, live)
    tracker.end({ account, desired: [one] })
    await settle()
    assert.equal(tracker.converged(one) === undefined, guard)
    assert.deepEqual(woken, guard ? ['drifted'] : [])
    await hub.end()
  }
})
