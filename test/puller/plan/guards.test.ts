import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isKubeObject } from '../../../contract/artifact/objects.ts'
import { parseDigest } from '../../../contract/digest.ts'
import { pruneAsked, pruneRefusals } from '../../../puller/plan/guards.ts'
import type { PlanContext } from '../../../puller/plan/plan-context.ts'

const digest = parseDigest(`sha256:${'1'.repeat(64)}`)
const context = {
  delivery: { name: 'shop', namespace: 'team', uid: 'u' },
  account: { namespace: 'team', serviceAccount: 'waybill' },
  digest,
  adopt: 'never',
  confirmed: undefined,
  environment: 'production',
  claimKey: Buffer.alloc(32),
} as const
type Facts = Parameters<typeof pruneRefusals>[1]
const deletes = (...kinds: string[]) =>
  kinds.map((kind, i) => ({
    uid: `uid-${i}`,
    entry: { group: '', kind, namespace: 'team', name: `n${i}`, state: 'created' as const },
  }))
const guard = (facts: Facts, change: Partial<PlanContext> = {}) =>
  pruneRefusals({ ...context, prune: { enabled: true, maxPercent: 100 }, ...change }, facts)
const codes = (facts: Facts, change?: Partial<PlanContext>) =>
  guard(facts, change).refusals.map(({ code, message }) => `${code} ${message}`)
const limits = (prune: object) => ({ prune: { enabled: true, maxPercent: 100, ...prune } })
/** As a person confirms what he is told. */
const confirming = (facts: Facts, change?: Partial<PlanContext>) => ({ confirmed: guard(facts, change).asked?.what })

test('a prune is bounded by number and by percentage, each alone, and both are told at once', () => {
  const facts = { desired: 8, entries: 10, deletes: deletes('ConfigMap', 'ConfigMap') }
  assert.deepEqual(codes(facts), [])
  assert.deepEqual(codes(facts, limits({ max: 2, maxPercent: 20 })), [])
  const told = 'PRUNE_LIMIT 2 of 10 objects would be deleted; '
  const one = limits({ max: 1 })
  assert.deepEqual(codes(facts, one), [`${told}prune.max is 1`])
  assert.deepEqual(codes(facts, limits({ max: 0, maxPercent: 19 })), [`${told}prune.max is 0, prune.maxPercent is 19`])
  assert.deepEqual(codes(facts, { ...one, ...confirming(facts, one) }), [])
})

const [map, claim] = deletes('ConfigMap', 'PersistentVolumeClaim')
assert.ok(map && claim)
const guarded = { desired: 1, entries: 5, deletes: [{ ...map, confirm: true as const }, claim] }

test('what is annotated so asks for a confirmation, as Namespaces, claims and what is replaced of them always do', () => {
  assert.deepEqual(codes(guarded), [
    'PRUNE_PROTECTED it would be deleted, and its annotation waybill.dev/prune asks for a confirmation',
    'PRUNE_PROTECTED it would be deleted with all that is in it',
  ])
  assert.deepEqual(codes(guarded, confirming(guarded)), [])
  const replaced = { desired: 1, entries: 1, deletes: [], replaced: [{ name: 'Namespace x', uid: 'uid-x' }] }
  assert.match(codes(replaced).join(), /^PRUNE_PROTECTED it would be replaced/)
  assert.deepEqual(codes(replaced, confirming(replaced)), [])
})

test('what a person confirms is exactly what he was told: neither the release nor anything else that it would delete', () => {
  const told = confirming(guarded)
  const [, , another] = deletes('ConfigMap', 'ConfigMap', 'PersistentVolumeClaim')
  assert.ok(another)
  const others: readonly [string, Facts, Partial<PlanContext>][] = [
    ['the release', guarded, { confirmed: digest }],
    ['one more', { ...guarded, deletes: [...guarded.deletes, another] }, told],
    ['one less', { ...guarded, deletes: [claim] }, told],
    ['another of that name', { ...guarded, deletes: guarded.deletes.map((one) => ({ ...one, uid: 'anew' })) }, told],
    ['replaced', { ...guarded, deletes: [], replaced: [{ name: 'ConfigMap team/n0', uid: 'uid-0' }] }, told],
    ['another release', guarded, { ...told, digest: parseDigest(`sha256:${'2'.repeat(64)}`) }],
    ['another environment', guarded, { ...told, environment: 'staging' }],
    ['another Delivery', guarded, { ...told, delivery: { ...context.delivery, uid: 'another' } }],
  ]
  for (const [what, facts, change] of others) assert.notDeepEqual(codes(facts, change), [], what)
})

test('what was among too many is not confirmed for itself when it asks for that meanwhile', () => {
  const many = { desired: 1, entries: 2, deletes: [map] }
  const change = { ...limits({ max: 0 }), ...confirming(many, limits({ max: 0 })) }
  assert.deepEqual(codes(many, change), [])
  assert.notDeepEqual(codes({ ...many, deletes: [{ ...map, confirm: true }] }, change), [])
})

test('what an interruption left of a confirmed prune goes on under its Intent, and nothing else does', () => {
  const { asked: begun } = guard(guarded)
  assert.ok(begun)
  const left = { ...guarded, deletes: [claim] }
  const more = { ...left, deletes: [{ ...claim, uid: 'anew' }] }
  assert.deepEqual(codes(left, { begun, confirmed: begun.what }), [])
  assert.notDeepEqual(codes(more, { begun, confirmed: begun.what }), [])
  assert.notDeepEqual(codes(left, { begun }), [], 'it was taken back')
  assert.notDeepEqual(codes(left, { confirmed: begun.what }), [], 'it is over')
})

test('an environment that is empty is no question once there is nothing left to delete', () => {
  assert.match(codes({ desired: 0, entries: 1, deletes: [map] }).join(), /^ENVIRONMENT_EMPTY /)
  assert.deepEqual(codes({ desired: 0, entries: 0, deletes: [] }), [])
})

test('the annotation is read from the live object', () => {
  const asked = (prune?: string) => {
    const annotations = prune === undefined ? {} : { 'waybill.dev/prune': prune }
    const live = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'x', annotations } }
    assert.ok(isKubeObject(live))
    return pruneAsked(live)
  }
  assert.deepEqual(
    [asked(), asked('never'), asked('confirm'), asked('sometimes')],
    [undefined, 'never', 'confirm', undefined],
  )
})
