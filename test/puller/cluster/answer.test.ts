import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseDigest } from '../../../contract/digest.ts'
import { answerReason } from '../../../puller/cluster/answer.ts'
import { watchLines } from '../../../puller/cluster/cluster-body.ts'
import { pruneRefusals } from '../../../puller/plan/guards.ts'

test('of an answer only status, reason, kind, name, fields and reason words are said', () => {
  const said = answerReason({
    status: 422,
    body: {
      message: 'Invalid value: "hunter2"',
      reason: 'Invalid',
      details: {
        kind: 'Secret',
        name: 's',
        causes: [
          { field: 'data[password]', reason: 'FieldValueInvalid', message: 'Invalid value: "hunter2"' },
          { field: 'spec.env["hunter2 with spaces"].x', reason: 'a message hunter2', message: 'x' },
        ],
      },
    },
  })
  assert.equal(said, 'the API server answered 422 Invalid (Secret s): data[password] FieldValueInvalid, spec.env[…].x')
  assert.equal(answerReason({ status: 500, body: { message: 'hunter2' } }), 'the API server answered 500')
})

test('the prune guards are lifted by a confirmation of exactly the digest that is applied', () => {
  const digest = parseDigest(`sha256:${'1'.repeat(64)}`)
  const context = {
    delivery: { name: 'shop', namespace: 'team', uid: 'u' },
    account: { namespace: 'team', serviceAccount: 'waybill' },
    digest,
    adopt: 'never',
    prune: { enabled: true, maxPercent: 30 },
    confirmed: undefined,
    environment: 'production',
    claimKey: Buffer.alloc(32),
  } as const
  const entry = { group: '', kind: 'Namespace', namespace: '', name: 'n', state: 'created' } as const
  const codes = (change: object, desired: number, entries: number) =>
    pruneRefusals({ ...context, ...change }, { desired, entries, deletes: [{ entry, uid: 'u1' }] }).refusals.map(
      ({ code }) => code,
    )
  assert.deepEqual(codes({}, 0, 1), ['ENVIRONMENT_EMPTY', 'PRUNE_LIMIT', 'PRUNE_PROTECTED'])
  assert.deepEqual(codes({}, 9, 10), ['PRUNE_PROTECTED'])
  assert.deepEqual(codes({ confirmed: parseDigest(`sha256:${'2'.repeat(64)}`) }, 9, 10), ['PRUNE_PROTECTED'])
  assert.deepEqual(codes({ confirmed: digest }, 9, 10), ['PRUNE_PROTECTED'])
})

async function collect(chunks: readonly string[], bytesMax = 1000) {
  async function* source() {
    for (const chunk of chunks) yield Buffer.from(chunk)
  }
  const types: string[] = []
  for await (const { type } of watchLines(source(), bytesMax)) types.push(type)
  return types
}

test('watch events come whole, however the connection cuts them', async () => {
  const lines = '{"type":"ADDED","object":{"é":1}}\n{"type":"BOOKMARK","object":{}}\n'
  assert.deepEqual(await collect([...lines]), ['ADDED', 'BOOKMARK'])
  assert.deepEqual(await collect([lines]), ['ADDED', 'BOOKMARK'])
})

test('a watch event without end, or one that is none, is refused', async () => {
  await assert.rejects(collect(['x'.repeat(600), 'x'.repeat(600)]), { code: 'CLUSTER_FAILED' })
  await assert.rejects(collect(['<html>\n']), { code: 'CLUSTER_FAILED' })
})
