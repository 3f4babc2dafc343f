import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { canonicalJson, isJsonObject, type Json } from '../../../contract/canonical-json.ts'
import { digestOf } from '../../../contract/digest.ts'
import { hasCode } from '../../../contract/errors.ts'
import { type RecordFacts, recordSpecSchema } from '../../../puller/kinds.ts'
import { type AuditHeads, auditChain } from '../../../puller/records/audit.ts'
import { recordHash } from '../../../puller/records/chain.ts'
import type { NamedRecord } from '../../../puller/records/record.ts'
import { A, B, chainOf, DELIVERY, facts, newKeys } from './records-fixture.ts'

const keys = newKeys()
const stranger = newKeys()
const all = [
  facts('Intent', { digest: A }),
  facts('Applied', { digest: A }),
  facts('Intent', { digest: B }),
  facts('Applied', { digest: B }),
]

function headOf(chain: readonly NamedRecord[]) {
  return { sequence: chain.length, hash: recordHash(chain.at(-1)?.spec) }
}
function audit(chain: readonly NamedRecord[], heads: AuditHeads) {
  return auditChain(chain, heads, keys.publicPem, DELIVERY)
}
function kinds(chain: readonly NamedRecord[], heads: AuditHeads) {
  return audit(chain, heads).faults.map(({ kind, sequence }) => `${kind} ${sequence}`)
}
function spec(chain: readonly NamedRecord[], sequence: number) {
  return recordSpecSchema.parse(chain[sequence - 1]?.spec)
}
function replaced(chain: readonly NamedRecord[], sequence: number, value: unknown): NamedRecord[] {
  return chain.map((record, i) => (i + 1 === sequence ? { ...record, spec: value } : record))
}

describe('the audit', () => {
  const chain = chainOf(keys, all)
  const configMap = headOf(chain)

  test('has nothing to say of an honest chain, also when the head lags by the one record of a crash', () => {
    assert.equal(audit(chain, { configMap, status: configMap, given: configMap }).ok, true)
    assert.equal(audit(chain, { configMap: headOf(chain.slice(0, 3)) }).ok, true)
    assert.equal(audit(chain.slice(0, 1), { configMap: null }).ok, true)
    assert.equal(audit([], { configMap: null }).ok, true)
  })

  test('finds a record that was edited', () => {
    assert.deepEqual(kinds(replaced(chain, 2, { ...spec(chain, 2), digest: B }), { configMap }), ['edited 2'])
    assert.deepEqual(kinds(replaced(chain, 4, { ...spec(chain, 4), startedAt: 'then' }), { configMap }), ['edited 4'])
    assert.deepEqual(kinds(replaced(chain, 2, { kind: 'Applied' }), { configMap }), ['edited 2'])
    const { signature } = spec(chain, 4)
    assert.deepEqual(kinds(replaced(chain, 4, { ...spec(chain, 4), signature: `${signature}\n` }), {}), ['edited 4'])
  })

  test('finds a record that was removed', () => {
    assert.deepEqual(
      kinds(
        chain.filter((_, i) => i !== 1),
        { configMap },
      ),
      ['removed 2'],
    )
  })

  test('finds records that changed places', () => {
    const swapped = replaced(replaced(chain, 2, spec(chain, 3)), 3, spec(chain, 2))
    assert.deepEqual(kinds(swapped, { configMap }), ['reordered 2', 'reordered 3'])
  })

  test('finds a chain that was recomputed with another key', () => {
    const forged = chainOf(stranger, all)
    assert.deepEqual(new Set(audit(forged, { configMap }).faults.map(({ kind }) => kind)), new Set(['recomputed']))
  })

  test('finds a chain that was begun anew with the puller’s own key', () => {
    const again = chainOf(keys, all.slice(0, 3).concat(facts('Applied', { digest: A })))
    assert.deepEqual(kinds(again, { configMap }), ['recomputed 4'])
    assert.deepEqual(kinds([...chain.slice(0, 2), ...again.slice(2)], { configMap }), ['recomputed 3', 'recomputed 4'])
  })

  test('finds that the newest records are gone, by any of the heads', () => {
    const short = chain.slice(0, 2)
    const kept = headOf(chain)
    for (const heads of [{ configMap: kept }, { status: kept }, { given: kept }])
      assert.deepEqual(kinds(short, heads), ['truncated 4'])
    assert.deepEqual(kinds([], { configMap: kept }), ['truncated 4'])
  })

  test('finds that the oldest records are gone', () => {
    assert.deepEqual(kinds(chain.slice(2), { configMap }), ['truncated 1'])
  })

  test('finds a head that was set back or removed', () => {
    assert.deepEqual(kinds(chain, { configMap: headOf(chain.slice(0, 2)) }), ['head 2'])
    assert.deepEqual(kinds(chain, { configMap: null }), ['head 4'])
  })

  test('finds another Delivery’s record among these', () => {
    const other = chainOf(keys, all, { ...DELIVERY, name: 'web', uid: 'ffffffff-1111-4222-8333-444455556666' })
    assert.deepEqual(
      audit([...chain, ...other.slice(0, 1)], { configMap }).faults.map(({ kind }) => kind),
      ['foreign'],
    )
  })

  test('wants the public half of an ECDSA P-256 key', () => {
    assert.throws(
      () => auditChain(chain, {}, 'nonsense'),
      (error) => hasCode(error, 'RECORD_KEY'),
    )
  })

  test('accepts a chain that begins behind a Checkpoint, and one whose dropping was cut short', () => {
    const { behind, configMap } = checkpointed()
    assert.deepEqual(kinds(behind.slice(2), { configMap }), [])
    assert.deepEqual(kinds(behind.slice(1), { configMap }), [])
  })

  test('finds that more is gone than a Checkpoint allows, or that it was put before another chain', () => {
    const { behind, configMap } = checkpointed()
    assert.deepEqual(kinds(behind.slice(3), { configMap }), ['truncated 3'])
    const other = chainOf(keys, [...all.slice(0, 2), facts('Intent', { digest: A }), ...all.slice(3)])
    assert.ok(kinds([...other.slice(2, 3), ...behind.slice(3)], { configMap }).length > 0)
  })
})

/** Four records and a Checkpoint that lets the first two go. */
function checkpointed() {
  const hash = recordHash(chainOf(keys, all)[1]?.spec)
  const build = (through: string) =>
    facts('Checkpoint', { checkpoint: { through: 2, hash: through, ran: [A], promotions: [], versions: [] } })
  // ECDSA signatures differ each time, so the chain is made once with the hash that it then has.
  const first = chainOf(keys, all)
  const second = recordHash(first[1]?.spec)
  assert.notEqual(hash, second)
  const whole = appended(first, build(second))
  return { behind: whole, configMap: headOf(whole) }
}

function appended(chain: readonly NamedRecord[], one: RecordFacts): NamedRecord[] {
  const last = chainOf(keys, [...Array.from({ length: chain.length }, () => facts('Applied')), one]).at(-1)
  const unsigned = recordSpecSchema.parse(last?.spec)
  const { signature: _, ...rest } = { ...unsigned, previous: recordHash(chain.at(-1)?.spec) }
  const signature = keys.sign(Buffer.from(canonicalJson(rest)))
  return [
    ...chain,
    { ...chain[0], name: last?.name ?? '', namespace: DELIVERY.namespace, spec: { ...rest, signature } },
  ]
}

const arbitraryFacts: fc.Arbitrary<RecordFacts> = fc
  .record({
    kind: fc.constantFrom('Intent', 'Applied', 'Refused', 'Failed', 'DriftCorrected', 'RolledBack'),
    digest: fc.integer({ min: 0, max: 5 }).map((n) => digestOf(`release ${n}`)),
    version: fc.option(fc.constantFrom('1.0.0', '1.1.0'), { nil: undefined }),
    reason: fc.option(fc.string({ maxLength: 20, unit: 'grapheme' }), { nil: undefined }),
    by: fc.constantFrom('kubectl', 'alice'),
    generation: fc.nat(9),
    objects: fc.array(fc.record({ action: fc.constantFrom('create', 'delete'), object: fc.string({ maxLength: 9 }) }), {
      maxLength: 3,
    }),
  })
  .map(({ kind, digest, version, reason, by, generation, objects }) =>
    facts(kind, {
      digest,
      ...(version === undefined ? {} : { version }),
      trigger: { type: 'source', generation, by, ...(reason === undefined ? {} : { reason }) },
      changes: { total: objects.length, digest: digestOf('changes'), listed: objects },
    }),
  )

/** Every place in a value, and what may be put there instead. */
function places(value: Json | undefined, path: readonly (string | number)[] = []): (readonly (string | number)[])[] {
  if (Array.isArray(value)) return [path, ...value.flatMap((one, i) => places(one, [...path, i]))]
  if (isJsonObject(value)) return [path, ...Object.entries(value).flatMap(([key, one]) => places(one, [...path, key]))]
  return [path]
}

function altered(value: Json | undefined, path: readonly (string | number)[], bit: number): Json | undefined {
  const [step, ...rest] = path
  if (step !== undefined && Array.isArray(value))
    return value.map((one, i) => (i === step ? (altered(one, rest, bit) ?? null) : one))
  if (step !== undefined && isJsonObject(value)) return { ...value, [step]: altered(value[step], rest, bit) }
  if (typeof value === 'string') {
    const bytes = Buffer.from(value === '' ? 'x' : value, 'utf16le')
    const at = bit % (bytes.length * 8)
    bytes[at >> 3] = (bytes[at >> 3] ?? 0) ^ (1 << (at & 7))
    return bytes.toString('utf16le')
  }
  if (typeof value === 'number') return value + 1 + (bit % 7)
  if (Array.isArray(value)) return [...value, 'more']
  return undefined
}

describe('whatever is done to a random chain', () => {
  const chains = fc.array(arbitraryFacts, { minLength: 2, maxLength: 6 }).map((all) => chainOf(keys, all))
  const runs = { numRuns: 60 }
  const found = (chain: readonly NamedRecord[], heads: AuditHeads) => assert.equal(audit(chain, heads).ok, false)

  test('an honest chain raises no fault, in whatever order it is listed', () =>
    fc.assert(
      fc.property(chains, fc.boolean(), (chain, lags) => {
        const head = headOf(lags ? chain.slice(0, -1) : chain)
        assert.deepEqual(audit(chain.toReversed(), { configMap: head, status: head }).faults, [])
      }),
      runs,
    ))

  test('one changed bit or field anywhere is found', () =>
    fc.assert(
      fc.property(chains, fc.nat(), fc.nat(), fc.nat(), (chain, which, where, bit) => {
        const sequence = 1 + (which % chain.length)
        const json: Json = JSON.parse(JSON.stringify(spec(chain, sequence)))
        const paths = places(json).slice(1)
        const after = altered(json, paths[where % paths.length] ?? [], bit)
        found(replaced(chain, sequence, after), { configMap: headOf(chain) })
      }),
      { numRuns: 300 },
    ))

  test('one removed record is found', () =>
    fc.assert(
      fc.property(chains, fc.nat(), (chain, which) => {
        found(chain.toSpliced(which % chain.length, 1), { configMap: headOf(chain) })
      }),
      runs,
    ))

  test('two swapped records are found', () =>
    fc.assert(
      fc.property(chains, fc.nat(), fc.nat(), (chain, i, j) => {
        const [a, b] = [1 + (i % chain.length), 1 + (j % chain.length)]
        fc.pre(a !== b)
        found(replaced(replaced(chain, a, spec(chain, b)), b, spec(chain, a)), { configMap: headOf(chain) })
      }),
      runs,
    ))

  test('one record signed again by another key is found, and so is the whole chain', () =>
    fc.assert(
      fc.property(chains, fc.nat(), (chain, which) => {
        const sequence = 1 + (which % chain.length)
        const { signature: _, ...rest } = spec(chain, sequence)
        for (const key of [keys.keyDigest, stranger.keyDigest]) {
          const unsigned = { ...rest, key }
          const signature = stranger.sign(Buffer.from(canonicalJson(unsigned)))
          found(replaced(chain, sequence, { ...unsigned, signature }), { configMap: headOf(chain) })
        }
        const forged = chainOf(
          stranger,
          chain.map((_, i) => facts('Applied', { startedAt: `${i}` })),
        )
        found(forged, { configMap: headOf(chain) })
        found(forged, { configMap: headOf(forged) })
      }),
      runs,
    ))

  test('one record signed again by the puller’s own key is found', () =>
    fc.assert(
      fc.property(chains, fc.nat(), (chain, which) => {
        const sequence = 1 + (which % chain.length)
        const { signature: _, ...rest } = spec(chain, sequence)
        const signature = keys.sign(Buffer.from(canonicalJson(rest)))
        found(replaced(chain, sequence, { ...rest, signature }), { configMap: headOf(chain) })
      }),
      runs,
    ))

  test('any number of newest or oldest records gone is found', () =>
    fc.assert(
      fc.property(chains, fc.nat(), (chain, which) => {
        const gone = 1 + (which % chain.length)
        found(chain.slice(0, -gone), { configMap: headOf(chain) })
        found(chain.slice(gone), { configMap: headOf(chain) })
      }),
      runs,
    ))
})
