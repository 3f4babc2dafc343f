import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { digestOf } from '../../../contract/digest.ts'
import { hasCode } from '../../../contract/errors.ts'
import type { Change } from '../../../puller/kinds.ts'
import { deliveryRows, historyRows } from '../../../puller/records/history.ts'
import { chooseTarget } from '../../../puller/records/hold.ts'
import { A, B, C, chainOf, facts, newKeys } from './records-fixture.ts'

const keys = newKeys()

describe('the history', () => {
  test('is told newest first, with why, by whom and how much', () => {
    const chain = chainOf(keys, [
      facts('Applied', { digest: A, version: '1.0.0', changes: { total: 9, digest: B, listed: [] } }),
      facts('Refused', {
        digest: B,
        error: { code: 'SIGNATURE_MISSING', message: 'none' },
        trigger: { type: 'spec', generation: 2, by: 'kubectl' },
      }),
    ])
    const [newest, oldest] = historyRows(chain)
    assert.deepEqual([newest?.sequence, newest?.kind, newest?.by], [2, 'Refused', 'kubectl'])
    assert.equal(newest?.error, 'SIGNATURE_MISSING: none')
    assert.deepEqual([oldest?.version, oldest?.changes, oldest?.trigger], ['1.0.0', 9, 'source'])
  })

  test('of drift says what it was, and who took it', () => {
    const listed: Change[] = [
      {
        action: 'configure',
        object: 'ConfigMap shop/a',
        fields: ['data.k'],
        manager: 'kubectl',
        user: 'jane',
      },
    ]
    const changes = { total: 1, digest: B, listed }
    const rows = historyRows(
      chainOf(keys, [facts('DriftCorrected', { digest: A, changes }), facts('Applied', { digest: A, changes })]),
    )
    assert.deepEqual(
      rows.map(({ drift }) => drift),
      [undefined, 'configure ConfigMap shop/a (data.k; jane with kubectl)'],
    )
  })

  test('lists what cannot be read, and does not hide it', () => {
    const [row] = historyRows([{ name: 'api-0b5a3c1e-00000007', namespace: 'shop', spec: { kind: 'Nonsense' } }])
    assert.deepEqual([row?.sequence, row?.kind], [7, 'Unreadable'])
  })
})

describe('going back by steps', () => {
  const target = (
    steps: number,
    now: typeof A | undefined,
    ...all: readonly [Parameters<typeof facts>[0], typeof A][]
  ) =>
    chooseTarget(
      chainOf(
        keys,
        all.map(([kind, digest]) => facts(kind, { digest })),
      ),
      { steps },
      now,
    ).digest
  const isTargetError = (error: unknown) => hasCode(error, 'ROLLBACK_TARGET')

  test('counts releases, not records', () => {
    assert.equal(target(1, C, ['Applied', A], ['Applied', B], ['Unchanged', B], ['Applied', C], ['Unchanged', C]), B)
    assert.equal(target(2, C, ['Applied', A], ['Applied', B], ['Applied', C]), A)
  })

  test('a second time goes on back, and not forth again', () => {
    assert.equal(target(1, B, ['Applied', A], ['Applied', B], ['Applied', C], ['RolledBack', B]), A)
  })

  test('does not take an edit while held for a release', () => {
    const all = [
      facts('Applied', { digest: A }),
      facts('Applied', { digest: B }),
      facts('RolledBack', { digest: A, trigger: { type: 'hold', generation: 2 } }),
      facts('Unchanged', { digest: A, trigger: { type: 'hold', generation: 3 } }),
    ]
    assert.throws(() => chooseTarget(chainOf(keys, all), { steps: 1 }, A), isTargetError)
  })

  test('passes over what was refused or failed', () => {
    assert.equal(target(1, C, ['Applied', A], ['Refused', B], ['Failed', B], ['Applied', C]), A)
  })

  test('from a release that was promoted again counts from its newest place', () => {
    assert.equal(target(1, A, ['Applied', A], ['Applied', B], ['Applied', A]), B)
  })

  test('further than the first, or by no steps, is refused', () => {
    assert.throws(() => target(2, B, ['Applied', A], ['Applied', B]), isTargetError)
    assert.throws(() => target(0, B, ['Applied', A], ['Applied', B]), isTargetError)
    assert.throws(() => target(1, undefined), isTargetError)
    assert.throws(() => target(1, digestOf('elsewhere'), ['Applied', A]), isTargetError)
  })
})

test('a Delivery that follows a range says where that leads, once it is known', () => {
  const item = { metadata: {}, spec: { source: { version: '>=1.4 <2' } } }
  const status = { resolved: { version: '1.5.2' } }
  const rows = [...deliveryRows([item]), ...deliveryRows([{ ...item, status }])]
  assert.deepEqual(
    rows.map(({ source, resolved }) => [source, resolved]),
    [
      ['version >=1.4 <2', undefined],
      ['version >=1.4 <2', '1.5.2'],
    ],
  )
})

test('a Delivery that was never looked at is neither ready nor not', () => {
  const item = { metadata: { namespace: 'shop', name: 'api' }, spec: { source: { digest: A } } }
  const [row] = deliveryRows([item])
  assert.deepEqual([row?.source, row?.ready, row?.applied], [A, 'Unknown', undefined])
})

test('drift that was left is counted in the list; what was put back is not', () => {
  const metadata = { namespace: 'shop', name: 'api' }
  const spec = { source: { digest: A } }
  const rows = ['True', 'False'].flatMap((status) =>
    deliveryRows([{ metadata, spec, status: { conditions: [{ type: 'Drifted', status }], drift: { objects: 3 } } }]),
  )
  assert.deepEqual(
    rows.map(({ drifted }) => drifted),
    [3, undefined],
  )
})
