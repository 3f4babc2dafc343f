import { digestOf } from '../../../contract/digest.ts'
import type { Clock } from '../../../puller/clock.ts'
import type { RecordFacts, RecordSpec } from '../../../puller/kinds.ts'
import { recordHash, recordName, signRecord } from '../../../puller/records/chain.ts'
import { keysFrom, newPrivatePem, type PullerKeys } from '../../../puller/records/keys.ts'
import type { NamedRecord } from '../../../puller/records/record.ts'

export const DELIVERY = { namespace: 'shop', name: 'api', uid: '0b5a3c1e-1111-4222-8333-444455556666' }
export const A = digestOf('release a')
export const B = digestOf('release b')
export const C = digestOf('release c')

export function newKeys(): PullerKeys {
  return keysFrom(newPrivatePem(), new Uint8Array(32))
}

export function clockAt(iso: string): Clock {
  return { nowMs: () => Date.parse(iso), monotonicMs: () => 0, sleep: async () => {}, random: () => 0.5 }
}

export function facts(kind: RecordFacts['kind'], more: Partial<RecordFacts> = {}): RecordFacts {
  return { kind, trigger: { type: 'source', generation: 1 }, startedAt: '2026-11-21T10:00:00Z', ...more }
}

/** An honest chain of these facts, as it would be found in the cluster. */
export function chainOf(keys: PullerKeys, all: readonly RecordFacts[], delivery = DELIVERY): NamedRecord[] {
  const specs: RecordSpec[] = []
  for (const [i, one] of all.entries()) {
    const before = specs[i - 1]
    const previous = before === undefined ? undefined : recordHash(before)
    specs.push(signRecord(keys, one, { delivery, sequence: i + 1, previous }))
  }
  return specs.map(named)
}

export function named(spec: RecordSpec): NamedRecord {
  return { name: recordName(spec.delivery, spec.sequence), namespace: spec.delivery.namespace, spec }
}
