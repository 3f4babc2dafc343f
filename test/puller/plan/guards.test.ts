import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isKubeObject } from '../../../contract/artifact/objects.ts'
import { parseDigest } from '../../../contract/digest.ts'
import { pruneAsked, pruneRefusals } from '../../../puller/plan/guards.ts'

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
const deletes = (...kinds: string[]) =>
  kinds.map((kind, i) => ({ entry: { group: '', kind, namespace: 'team', name: `n${i}`, state: 'created' as const } }))
const codes = (prune: object, facts: Parameters<typeof pruneRefusals>[1], confirmed = false) =>
  pruneRefusals(
    { ...context, prune: { enabled: true, maxPercent: 100, ...prune }, confirmed: confirmed ? digest : undefined },
    facts,
  ).map(({ code, message }) => `${code} ${message}`)

test('a prune is bounded by number and by percentage, each alone, and both are told at once', () => {
  const facts = { desired: 8, entries: 10, deletes: deletes('ConfigMap', 'ConfigMap') }
  assert.deepEqual(codes({}, facts), [])
  assert.deepEqual(codes({ max: 2, maxPercent: 20 }, facts), [])
  const told = 'PRUNE_LIMIT 2 of 10 objects would be deleted; '
  assert.deepEqual(codes({ max: 1 }, facts), [`${told}prune.max is 1`])
  assert.deepEqual(codes({ max: 0, maxPercent: 19 }, facts), [`${told}prune.max is 0, prune.maxPercent is 19`])
  assert.deepEqual(codes({ max: 1 }, facts, true), [])
})

test('what is annotated so asks for a confirmation, as Namespaces and claims always do', () => {
  const [map] = deletes('ConfigMap')
  const [claim] = deletes('PersistentVolumeClaim')
  assert.ok(map && claim)
  const facts = { desired: 1, entries: 5, deletes: [{ ...map, confirm: true as const }, claim] }
  assert.deepEqual(codes({}, facts), [
    'PRUNE_PROTECTED it would be deleted, and its annotation waybill.dev/prune asks for a confirmation',
    'PRUNE_PROTECTED it would be deleted with all that is in it',
  ])
  assert.deepEqual(codes({}, facts, true), [])
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
