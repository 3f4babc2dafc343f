import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type KubeObject, objectId, objectKey, objectName } from '../../../contract/artifact/objects.ts'
import { parseDigest } from '../../../contract/digest.ts'
import type { InventoryEntry } from '../../../puller/kinds.ts'
import type { DesiredObject } from '../../../puller/plan/desired.ts'
import { planGroups } from '../../../puller/plan/groups.ts'
import type { PlanContext } from '../../../puller/plan/plan-context.ts'
import { type RunState, runBegun, runStateOf } from '../../../puller/plan/runs.ts'

const NOW = parseDigest(`sha256:${'1'.repeat(64)}`)
const BEFORE = parseDigest(`sha256:${'2'.repeat(64)}`)
const context: PlanContext = {
  delivery: { name: 'app', namespace: 'shop', uid: 'u' },
  account: { namespace: 'shop', serviceAccount: 'waybill' },
  digest: NOW,
  adopt: 'never',
  prune: { enabled: true, maxPercent: 100 },
  confirmed: undefined,
  environment: 'production',
  claimKey: Buffer.alloc(32, 1),
  generation: 3,
}

function desired(
  options: { readonly once?: boolean; readonly ttl?: number; readonly kind?: string } = {},
): DesiredObject {
  const { once = true, ttl, kind = 'Job' } = options
  const object: KubeObject = {
    apiVersion: 'batch/v1',
    kind,
    metadata: { name: 'migrate', namespace: 'shop' },
    spec: ttl === undefined ? {} : { ttlSecondsAfterFinished: ttl },
  }
  const id = objectId(object)
  const key = objectKey(id)
  const name = objectName(id)
  return { object, id, key, name, resource: undefined, crd: undefined, kindInSet: false, stage: 3, runsOnce: once }
}

const entry = (run?: InventoryEntry['run']): InventoryEntry => ({
  group: 'batch',
  kind: 'Job',
  namespace: 'shop',
  name: 'migrate',
  uid: 'job-uid',
  state: 'created',
  ...(run === undefined ? {} : { run }),
})
const { uid: _, ...nameless } = entry({ digest: NOW, generation: 3 })
const written: InventoryEntry = { ...nameless, state: 'pending' }
const liveOf = (digest: string): KubeObject => ({
  apiVersion: 'batch/v1',
  kind: 'Job',
  metadata: { name: 'migrate', namespace: 'shop', annotations: { 'waybill.dev/release': digest } },
})
const succeeded = { digest: NOW, generation: 2, ended: 'succeeded' } as const
const failed = { digest: NOW, generation: 3, ended: 'failed' } as const
const begun = { digest: NOW, generation: 3 }

type Row = readonly [
  what: string,
  seen: {
    readonly entry?: InventoryEntry
    readonly live?: KubeObject
    readonly foreign?: true
    readonly ranBefore?: true
    readonly desired?: DesiredObject
  },
  expected: RunState | undefined,
]
const ONCE: readonly Row[] = [
  ['a run that nobody began is to be made', {}, undefined],
  ['a run that is under way goes on', { entry: entry(begun), live: liveOf(NOW) }, undefined],
  ['a run that succeeded is done, while its Job is there', { entry: entry(succeeded), live: liveOf(NOW) }, 'done'],
  ['a run that succeeded is done, once its Job is gone', { entry: entry(succeeded) }, 'done'],
  ['a run of a release that was healthy here before is done', { ranBefore: true, live: liveOf(BEFORE) }, 'done'],
  ['a run of another release gives way', { entry: entry(), live: liveOf(BEFORE) }, 'stale'],
  ['a Job of somebody else is not for us to replace', { live: liveOf(BEFORE), foreign: true }, undefined],
  ['a run that failed stays failed, with its Job', { entry: entry(failed), live: liveOf(NOW) }, 'failed'],
  ['a run that failed stays failed, without it', { entry: entry(failed) }, 'failed'],
  [
    'a run that failed is tried again under an edited Delivery',
    { entry: entry({ ...failed, generation: 2 }), live: liveOf(NOW) },
    'stale',
  ],
  ['… also where its Job is gone', { entry: entry({ ...failed, generation: 2 }) }, undefined],
  ['a run that a person deleted before its end is made again', { entry: entry(begun) }, undefined],
  [
    'a run that the cluster may have removed before its end was seen is not made again',
    { entry: entry(begun), desired: desired({ ttl: 5 }) },
    'failed',
  ],
  ['a run whose create was only written ahead is made', { entry: written, desired: desired({ ttl: 5 }) }, undefined],
]
const ORDINARY: readonly Row[] = [
  [
    'an ordinary Job that the cluster removed is not made again',
    { entry: entry(begun), desired: desired({ once: false, ttl: 0 }) },
    'done',
  ],
  [
    '… but for another release it is',
    { entry: entry({ ...begun, digest: BEFORE }), desired: desired({ once: false, ttl: 0 }) },
    undefined,
  ],
  [
    'an ordinary Job that only a person can have deleted is made again',
    { entry: entry(begun), desired: desired({ once: false }), ranBefore: true },
    undefined,
  ],
  [
    'no other kind runs once',
    { desired: desired({ once: false, ttl: 0, kind: 'CronJob' }), ranBefore: true },
    undefined,
  ],
]

for (const [what, seen, expected] of [...ONCE, ...ORDINARY])
  test(what, () => {
    const ran = seen.ranBefore === true ? { ...context, ranBefore: true } : context
    const live = { object: seen.live, isOurs: seen.foreign !== true }
    assert.equal(runStateOf(ran, seen.desired ?? desired(), seen.entry, live), expected)
  })

test('the inventory knows of a run from before it is made, and of no other object', () => {
  assert.deepEqual(runBegun(context, desired()), { run: begun })
  assert.deepEqual(runBegun(context, desired({ once: false, ttl: 0 })), { run: begun })
  assert.deepEqual(runBegun(context, desired({ once: false })), {})
})

test('what is done is neither written nor waited for', () => {
  const one = desired()
  const order = { count: 1, groupOf: new Map([[one.key, 0]]), refusals: [] }
  assert.deepEqual(planGroups(order, [one], [], new Set([one.key])), [{ changes: [], members: [] }])
})
