import assert from 'node:assert/strict'
import { test } from 'node:test'
import { driftedSince, driftNews, newsToTell } from '../../../puller/drift/left-drift.ts'
import { type Change, type RecordFacts, type RecordSpec, recordSpecSchema } from '../../../puller/kinds.ts'
import { changeList } from '../../../puller/records/record.ts'
import { A, B, chainOf, facts, newKeys } from '../records/records-fixture.ts'

const keys = newKeys()
const change = (object: string, ...fields: string[]): Change => ({ action: 'configure', object, fields })
const told = (kind: RecordFacts['kind'], ...changes: Change[]) => facts(kind, { changes: changeList(changes) })
const records = (...all: RecordFacts[]): RecordSpec[] =>
  chainOf(keys, all).map(({ spec }) => recordSpecSchema.parse(spec))
const api = change('Deployment.apps shop/api', 'spec.replicas')
const web = change('Deployment.apps shop/web', 'spec.replicas')
const applied = facts('Applied', { digest: A, version: '1.0.0' })

test('drift is told once when it begins, however often it is looked at', () => {
  assert.deepEqual(driftNews(records(applied), [api]).began, [api])
  const known = records(applied, told('DriftDetected', api))
  const { began, ended } = driftNews(known, [api])
  assert.deepEqual([began, ended], [[], []])
  assert.deepEqual(driftNews(known, [api, web]).began, [web])
})

test('drift that takes other fields of an object is told again, and has not ended', () => {
  const more = change(api.object, 'spec.replicas', 'spec.paused')
  const news = driftNews(records(applied, told('DriftDetected', api)), [more])
  assert.deepEqual(news.began, [more])
  assert.deepEqual(news.ended, [])
})

test('it ends once for each object, and how it ended is what happened in between', () => {
  const detected = told('DriftDetected', api, web)
  const news = driftNews(records(applied, detected), [web])
  assert.deepEqual(news.ended, [api])
  assert.match(news.how, /as it was applied again/)
  assert.equal(driftNews(records(applied, detected, told('DriftCorrected', api)), []).how, 'it was put back')
  const released = records(applied, detected, facts('Applied', { digest: B, version: '1.1.0' }))
  assert.equal(driftNews(released, []).how, '1.1.0 was applied')
  const over = records(applied, detected, told('DriftResolved', api, web))
  assert.deepEqual(driftNews(over, []).ended, [])
  assert.deepEqual(driftNews(over, [api]).began, [api])
})

test('drift that comes and goes all the time is told of sixty times an hour, and then as it is', () => {
  const begunMs = Date.parse('2026-11-21T10:00:00Z')
  const all: RecordFacts[] = [applied]
  let nowMs = begunMs
  for (; nowMs < begunMs + 3_600_000; nowMs += 10_000) {
    const present = (nowMs / 10_000) % 2 === 0 ? [api] : []
    const news = newsToTell(records(...all), present, nowMs)
    const at = { startedAt: new Date(nowMs).toISOString(), finishedAt: new Date(nowMs).toISOString() }
    for (const kind of ['DriftDetected', 'DriftResolved'] as const) {
      const changes = kind === 'DriftDetected' ? news?.began : news?.ended
      if (changes !== undefined && changes.length > 0) all.push({ ...told(kind, ...changes), ...at })
    }
  }
  assert.equal(all.length, 61)
  const open = all.at(-1)?.kind === 'DriftDetected'
  const later = newsToTell(records(...all), open ? [] : [api], nowMs + 3_600_000)
  assert.deepEqual(open ? later?.ended : later?.began, [api])
})

test('what drifted since an Intent was written is what it does not list', () => {
  type Intent = Parameters<typeof driftedSince>[0]
  const since = (written: Intent, ...drifted: Change[]) => driftedSince(written, { drifted, desired: [] })
  const [intent] = records(told('Intent', api, { action: 'create', object: 'ConfigMap shop/new' }))
  assert.ok(intent)
  const repair = { ...intent, trigger: { ...intent.trigger, type: 'drift' } } as const
  const gone: Change = { action: 'create', object: 'ConfigMap shop/new' }
  assert.deepEqual(since(intent, api), [])
  assert.deepEqual(since(intent, web), [web])
  const more = change(api.object, 'spec.replicas', 'spec.paused')
  assert.deepEqual(since(intent, more), [more])
  assert.deepEqual(since(repair, gone), [], 'a repair that was cut off creates it again')
  assert.deepEqual(since(intent, gone), [gone], 'what a release creates was not there before')
  const run = [{ name: gone.object, runsOnce: true }]
  assert.deepEqual(driftedSince(intent, { drifted: [gone], desired: run }), [], 'but a run of the release before')
  const [adopting] = records(told('Intent', { action: 'adopt', object: api.object }))
  assert.ok(adopting)
  assert.deepEqual(since(adopting, api), [], 'it may be adopted by half')
  const fields = Array.from({ length: 51 }, (_, i) => `spec.field${i}`)
  const [wide] = records(told('Intent', change(web.object, ...fields)))
  assert.ok(wide)
  assert.deepEqual(since(wide, change(web.object, 'spec.field50')), [], 'as may a field')
  const full = { ...intent, changes: { ...changeList([api]), total: 2 } }
  assert.deepEqual(since(full, web), [], 'it may be among what there was no room for')
})
