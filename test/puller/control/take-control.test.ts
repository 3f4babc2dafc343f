import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pino } from 'pino'
import { systemClock } from '../../../puller/clock.ts'
import type { Cluster, ClusterAnswer, ClusterRequest } from '../../../puller/cluster/cluster-port.ts'
import { takeControl } from '../../../puller/control/take-control.ts'
import { type RecordFacts, recordSpecSchema } from '../../../puller/kinds.ts'
import { parseDelivery } from '../../../puller/observe.ts'
import { recordHash } from '../../../puller/records/chain.ts'
import { summarize } from '../../../puller/records/ledger-summary.ts'
import { A, B, DELIVERY, facts } from '../records/records-fixture.ts'

const PAST = '2026-11-21T11:59:59Z'
const held: readonly RecordFacts[] = [
  facts('Applied', { digest: A }),
  facts('RolledBack', { digest: B, trigger: { type: 'hold', generation: 1 } }),
]

function object(spec: Record<string, unknown>, generation = 1) {
  const source = { repository: 'registry.example.com/acme/shop', channel: 'production' }
  return { metadata: { ...DELIVERY, generation, resourceVersion: String(generation) }, spec: { source, ...spec } }
}

/** Control of a Delivery with this spec, over and over, in a cluster that answers its edits so. */
function controlled(spec: Record<string, unknown>, answers: readonly (ClusterAnswer | Error)[]) {
  const sent: ClusterRequest[] = []
  const records: RecordFacts[] = [...held]
  const left = [...answers]
  const cluster: Cluster = {
    resource: async () => undefined,
    watch: async function* () {},
    request: async (_as, request) => {
      sent.push(request)
      const answer = left.shift()
      if (answer instanceof Error) throw answer
      return answer ?? { status: 500, body: {} }
    },
  }
  const take = () => {
    const specs = records.map((one, i) =>
      recordSpecSchema.parse({ ...one, delivery: DELIVERY, sequence: i + 1, key: recordHash('key'), signature: '' }),
    )
    const ledger = {
      summary: { ...summarize(specs), records: specs },
      append: async (one: RecordFacts) => {
        records.push(one)
        return { name: '', sequence: records.length, hash: A }
      },
    }
    const site = { cluster, log: pino({ level: 'silent' }), clock: systemClock }
    return takeControl(site, parseDelivery(object(spec)), ledger)
  }
  return { take, sent, kinds: () => records.slice(held.length).map(({ kind }) => kind) }
}

const hold = { hold: { digest: B, until: PAST } }

test('the end of a hold is on record before the field is taken out, and once, though the puller stopped between', async () => {
  const done = { status: 200, body: object({}, 2) }
  const { take, sent, kinds } = controlled(hold, [new Error('stopped'), done])
  await assert.rejects(take(), /stopped/)
  assert.deepEqual(kinds(), ['Resumed'])
  const taken = await take()
  assert.deepEqual(kinds(), ['Resumed'])
  assert.ok(taken.kind === 'go' && taken.delivery.spec.hold === undefined && taken.delivery.generation === 2)
  assert.deepEqual(sent.at(-1)?.body, { metadata: { resourceVersion: '1' }, spec: { hold: null } })
})

test('an edit that somebody else made meanwhile is not written over, and is looked at first', async () => {
  const { take } = controlled(hold, [{ status: 409, body: {} }])
  assert.deepEqual(await take(), { kind: 'overtaken' })
})

test('where the puller may not edit, what has expired is passed over all the same', async () => {
  const { take } = controlled(hold, [{ status: 403, body: {} }])
  const taken = await take()
  assert.ok(taken.kind === 'go' && taken.delivery.spec.hold === undefined)
})

test('while it is suspended nothing is edited, an expired hold neither', async () => {
  const { take, sent, kinds } = controlled({ ...hold, suspend: {} }, [])
  assert.equal((await take()).kind, 'suspended')
  assert.deepEqual([kinds(), sent], [['Suspended'], []])
})
