import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { digestOf } from '../../../contract/digest.ts'
import { waitingNews } from '../../../puller/control/approval.ts'
import { type RecordFacts, recordSpecSchema } from '../../../puller/kinds.ts'
import { chainOf, facts, newKeys } from '../records/records-fixture.ts'

const keys = newKeys()
const [release, next] = [digestOf('release'), digestOf('next')]
const plan = (name: number | string) => digestOf(`plan ${name}`)
const records = (told: readonly RecordFacts[]) => chainOf(keys, told).map(({ spec }) => recordSpecSchema.parse(spec))

/** What is recorded of plans that wait one after another, each with the approval that is there by then. */
function tellAll(
  waits: readonly (readonly [plan: string | number, stale?: string | number])[],
  before: readonly RecordFacts[] = [],
): readonly string[] {
  const told = [...before]
  for (const [of, stale] of waits) {
    const since = { records: records(told) }
    const reason = waitingNews(since, release, plan(of), stale === undefined ? undefined : plan(stale))
    const trigger = { type: 'approval', generation: 1, reason } as const
    if (reason !== undefined) told.push(facts('AwaitingApproval', { digest: release, trigger }))
  }
  return told.slice(before.length).map(({ trigger }) => trigger.reason ?? '')
}

describe('a release that waits for approval is recorded', () => {
  test('once for each plan, however often it is looked at, and in which order', () => {
    assert.deepEqual(tellAll([[1], [1], [2], [1], [2]]), [`plan ${plan(1)}`, `plan ${plan(2)}`])
  })

  test('once more when its approval went stale, and once for each approval', () => {
    const told = tellAll([[1], [2, 1], [2, 1], [1, 1], [3, 2]])
    assert.deepEqual(
      told.map((reason) => reason.split(';').length),
      [1, 2, 2],
    )
    assert.match(told[1] ?? '', new RegExp(`^plan ${plan(2)}; the plan that was approved, ${plan(1)}, is no longer`))
  })

  test('so often and no more where its plan changes by itself, but whoever approved is told', () => {
    const many = Array.from({ length: 50 }, (_, i) => [i] as const)
    assert.equal(tellAll(many).length, 10)
    assert.equal(tellAll([...many, [50, 49], [51, 49]]).length, 11)
  })

  test('anew after another release went out, or it was gone back from', () => {
    const waited = facts('AwaitingApproval', {
      digest: release,
      trigger: { type: 'approval', generation: 1, reason: `plan ${plan(1)}` },
    })
    assert.deepEqual(tellAll([[1]], [waited]), [])
    assert.equal(tellAll([[1]], [waited, facts('Applied', { digest: next })]).length, 1)
    assert.equal(tellAll([[1]], [{ ...waited, digest: next }]).length, 1, 'another release waited')
  })
})
