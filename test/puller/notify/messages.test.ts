import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type RecordFacts, recordSpecSchema } from '../../../puller/kinds.ts'
import { messagesAfter, requestOf } from '../../../puller/notify/messages.ts'
import { A, chainOf, DELIVERY, facts, newKeys } from '../records/records-fixture.ts'

const keys = newKeys()
const chain = (...all: RecordFacts[]) => chainOf(keys, all).map(({ spec }) => recordSpecSchema.parse(spec))
const team = { name: 'team', kinds: undefined }
const sequences = (messages: ReturnType<typeof messagesAfter>) => messages.map(({ sequence }) => sequence)

test('what people wait for is told: not what is about to be done, what changed nothing, nor what was put away', () => {
  const records = chain(
    facts('Intent', { digest: A }),
    facts('Applied', { digest: A }),
    facts('Unchanged', { digest: A }),
    facts('Refused', { digest: A, error: { code: 'SIGNATURE_MISSING', message: 'm' } }),
  )
  assert.deepEqual(sequences(messagesAfter(0, team, records)), [2, 4])
  assert.deepEqual(sequences(messagesAfter(2, team, records)), [4])
  assert.deepEqual(sequences(messagesAfter(0, { name: 'all', kinds: ['Intent', 'Unchanged'] }, records)), [1, 3])
})

test('who is to approve a release is told in the chat, and what to look at', () => {
  const trigger = { type: 'approval', generation: 1, reason: `plan ${A}` } as const
  const changes = { total: 3, digest: A, listed: [] }
  const [message] = messagesAfter(
    0,
    team,
    chain(facts('AwaitingApproval', { digest: A, version: '1.5.0', trigger, changes })),
  )
  const { namespace, name } = DELIVERY
  assert.match(message?.text ?? '', /1\.5\.0 \(sha256:\w+\) waits for approval, 3 changes \(plan sha256:\w+\)/)
  assert.ok(message?.text.endsWith(`\`waybill plan ${name} -n ${namespace}\``), message?.text)
  assert.equal(message?.event.type, 'dev.waybill.record.awaitingapproval')
})

test('records that were dropped before they could be delivered are said to be lost, how many, and the rest follows', () => {
  const checkpoint = { through: 3, hash: A, ran: [], promotions: [], versions: [] }
  const all = chain(
    facts('Applied', { digest: A }),
    facts('Applied', { digest: A }),
    facts('Applied', { digest: A }),
    facts('Applied', { digest: A }),
    facts('Checkpoint', { checkpoint }),
  )
  const [lost, next, ...rest] = messagesAfter(1, team, all.slice(3))
  assert.match(lost?.text ?? '', /up to 2 records were dropped .* through record 3/)
  assert.equal(lost?.sequence, 3)
  assert.deepEqual([next?.sequence, rest.length], [4, 0])
  assert.deepEqual(sequences(messagesAfter(3, team, all.slice(3))), [4], 'said once')
})

test('no value of a field leaves the cluster, and no markup reaches a chat', () => {
  const listed = [
    {
      action: 'configure' as const,
      object: 'ConfigMap shop/a',
      fields: ['data.k'],
      values: [{ field: 'data.k', declared: '"hunter1"', found: '"hunter2"' }],
    },
  ]
  const [message] = messagesAfter(
    0,
    team,
    chain(
      facts('DriftCorrected', {
        digest: A,
        changes: { total: 1, digest: A, listed },
        error: { code: 'APPLY_FAILED', message: '<!channel> & co' },
      }),
      facts('Failed', { digest: A, error: { code: 'APPLY_FAILED', message: '<!channel> & co' } }),
    ),
  ).toReversed()
  assert.ok(message !== undefined)
  const { body } = requestOf('slack', message, { key: undefined, nowMs: 0 })
  assert.match(body, /&lt;!channel&gt; &amp; co/)
  for (const one of messagesAfter(
    0,
    team,
    chain(facts('DriftCorrected', { changes: { total: 1, digest: A, listed } })),
  ))
    assert.ok(!/hunter/.test(JSON.stringify(one)))
})

test('the id of what is signed holds no full stop, whatever names hold, and stays the same', () => {
  const dotted = { namespace: 'shop', name: 'api.v1.example', uid: 'u' }
  const records = chainOf(keys, [facts('Applied', { digest: A })], dotted).map(({ spec }) =>
    recordSpecSchema.parse(spec),
  )
  const [message] = messagesAfter(0, { name: 'a.b\nc', kinds: undefined }, records)
  assert.ok(message !== undefined)
  const sent = [1_000, 2_000].map((nowMs) => requestOf('cloudevents', message, { key: new Uint8Array(32), nowMs }))
  const ids = sent.map(({ headers }) => headers['webhook-id'])
  assert.match(ids[0] ?? '', /^msg_[0-9a-f]{32}$/)
  assert.equal(ids[0], ids[1])
  assert.notEqual(sent[0]?.headers['webhook-signature'], sent[1]?.headers['webhook-signature'], 'times are signed')
})
