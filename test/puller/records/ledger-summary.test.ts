import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type RecordFacts, recordSpecSchema } from '../../../puller/kinds.ts'
import { summarize } from '../../../puller/records/ledger-summary.ts'
import { A, B, C, chainOf, facts, newKeys } from './records-fixture.ts'

const keys = newKeys()
const summaryOf = (...all: readonly RecordFacts[]) =>
  summarize(chainOf(keys, all).map(({ spec }) => recordSpecSchema.parse(spec)))
const refused = (more: Partial<RecordFacts>) =>
  facts('Refused', { error: { code: 'SIGNATURE_MISSING', message: 'none' }, ...more })

describe('what the records say', () => {
  test('of no records is nothing', () => {
    const { ran, promotions, versions, ...rest } = summaryOf()
    assert.deepEqual([ran.size, promotions.size, versions.size, rest], [0, 0, 0, {}])
  })

  test('an Intent without an outcome is open, and what it was about to write is what runs', () => {
    const summary = summaryOf(facts('Applied', { digest: A }), facts('Intent', { digest: B }))
    assert.equal(summary.openIntent?.digest, B)
    assert.equal(summary.current, B)
    assert.equal(summary.applied?.digest, A)
    assert.deepEqual([...summary.ran], [A, B])
  })

  test('an Intent is closed by its own outcome, and not by a refusal of something else', () => {
    const intent = facts('Intent', { digest: A })
    assert.equal(summaryOf(intent, refused({ digest: B })).openIntent?.digest, A)
    assert.equal(summaryOf(intent, facts('Failed', { digest: A, intent: 1 })).openIntent, undefined)
    assert.equal(summaryOf(intent, facts('Applied', { digest: A })).openIntent, undefined)
    assert.equal(summaryOf(intent, facts('Intent', { digest: B })).openIntent?.digest, B)
  })

  test('what runs has run since it came, also under another spec; since it came back, where another one was begun between', () => {
    const at = (kind: 'Intent' | 'Applied' | 'Unchanged' | 'RolledBack' | 'Failed', digest: typeof A, hour: number) =>
      facts(kind, { digest, finishedAt: `2026-11-21T0${hour}:00:00Z` })
    const came = [at('Applied', A, 1), at('Unchanged', A, 2), at('Intent', A, 3), at('Applied', A, 3)]
    assert.equal(summaryOf(...came).appliedSince, '2026-11-21T01:00:00Z')
    const left = [...came, at('Intent', B, 4), at('Failed', B, 5), at('Intent', A, 6), at('RolledBack', A, 6)]
    assert.equal(summaryOf(...left).appliedSince, '2026-11-21T06:00:00Z')
    assert.equal(summaryOf(...came, at('Unchanged', B, 7)).appliedSince, '2026-11-21T07:00:00Z')
  })

  test('the newest outcome is the last thing that was found out, and applied is the last that was well', () => {
    const summary = summaryOf(
      facts('RolledBack', { digest: A }),
      refused({ digest: B }),
      facts('Intent', { digest: C }),
    )
    assert.equal(summary.lastOutcome?.digest, B)
    assert.equal(summary.applied?.digest, A)
  })

  test('what was refused did not run', () => {
    assert.equal(summaryOf(refused({ digest: A })).ran.size, 0)
  })

  describe('of the versions that a range chose, the highest counts', () => {
    const source = { repository: 'registry.example.com/acme/shop' }
    const chose = (version: string, range = '^1', more: Partial<RecordFacts> = {}) =>
      facts('Applied', { digest: A, source, release: { version, range }, ...more })
    const seen = (...all: readonly RecordFacts[]) => summaryOf(...all).release?.version

    test('whatever its order, and whether or not it could be applied', () => {
      assert.equal(seen(chose('1.9.0'), chose('1.10.0'), chose('1.2.0')), '1.10.0')
      assert.equal(seen(chose('1.9.0'), { ...chose('1.10.0'), kind: 'Refused' }), '1.10.0')
    })

    test('holds, drift and edits of other fields do not end that', () => {
      const generation = 2
      assert.equal(
        seen(chose('1.9.0'), facts('RolledBack', { digest: B, trigger: { type: 'hold', generation } })),
        '1.9.0',
      )
      assert.equal(seen(chose('1.9.0'), chose('1.0.0', '^1', { trigger: { type: 'spec', generation } })), '1.9.0')
      const drift = { trigger: { type: 'drift', generation } } as const
      assert.equal(seen(chose('2.0.0', '^2'), chose('1.0.0', '^1', drift)), '2.0.0')
      const refusal = refused({ trigger: { type: 'spec', generation } })
      assert.equal(seen(chose('1.9.0'), refusal), '1.9.0')
    })

    test('another range, package, channel or digest in the source does', () => {
      assert.equal(seen(chose('1.9.0'), chose('1.2.0', '~1.2')), '1.2.0')
      assert.equal(seen(chose('1.9.0'), chose('1.2.0', '^1', { source: { repository: 'r.example.com/x' } })), '1.2.0')
      const mirrored = { source: { repository: 'r.example.com/x', mirrorOf: source.repository } }
      assert.equal(seen(chose('1.9.0'), chose('1.2.0', '^1', mirrored)), '1.9.0')
      assert.equal(
        seen(chose('1.9.0'), facts('Applied', { digest: B, promotion: { channel: 'x', sequence: 1 } })),
        undefined,
      )
      assert.equal(
        seen(chose('1.9.0'), facts('Intent', { digest: B, trigger: { type: 'spec', generation: 2 } })),
        undefined,
      )
    })
  })

  test('the highest promotion of each channel counts, with the digest that had it first', () => {
    const promoted = (channel: string, sequence: number) => ({ promotion: { channel, sequence } })
    const { promotions } = summaryOf(
      facts('Applied', { digest: A, ...promoted('production', 2) }),
      refused({ digest: B, ...promoted('production', 2) }),
      facts('Applied', { digest: C, ...promoted('production', 1) }),
      facts('Applied', { digest: B, ...promoted('staging', 1) }),
    )
    assert.deepEqual(
      [...promotions],
      [
        ['production', { sequence: 2, digest: A }],
        ['staging', { sequence: 1, digest: B }],
      ],
    )
  })

  test('a version stays at the digest that it was first seen at, and an unverified one was not seen', () => {
    const signers = [{ role: 'signature', authority: 'ci', policy: 'acme', key: A }]
    const { versions } = summaryOf(
      refused({ digest: C, version: '1.0.0' }),
      facts('Applied', { digest: A, version: '1.0.0' }),
      refused({ digest: B, version: '1.0.0', signers, error: { code: 'VERSION_MOVED', message: 'moved' } }),
      refused({ digest: B, version: '1.1.0', signers, error: { code: 'OBJECT_OWNED', message: 'owned' } }),
    )
    assert.deepEqual(
      [...versions],
      [
        ['1.0.0', A],
        ['1.1.0', B],
      ],
    )
  })
})
