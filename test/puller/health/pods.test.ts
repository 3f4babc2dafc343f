import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { KubeObject } from '../../../contract/artifact/objects.ts'
import type { JsonObject } from '../../../contract/canonical-json.ts'
import { podFaults, podSelector } from '../../../puller/health/pods.ts'

const pod = (status: JsonObject, metadata: JsonObject = {}): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'api-7d4b9-x2x', namespace: 'shop', ...metadata },
  status: { phase: 'Running', ...status },
})
const containers = (...containerStatuses: JsonObject[]) => pod({ containerStatuses })
const api = { name: 'api', ready: false }
const terminated = (exitCode: number, reason = 'Error') => ({ terminated: { exitCode, reason } })
const crashing = containers({ ...api, state: { waiting: { reason: 'CrashLoopBackOff' } }, lastState: terminated(1) })

test('each trouble of a Pod is told by its container and reason', () => {
  const told: readonly (readonly [KubeObject, string])[] = [
    [crashing, 'container api exits with 1'],
    [containers({ ...api, state: terminated(137, 'OOMKilled') }), 'container api exits with 137 (OOMKilled)'],
    [
      containers({
        ...api,
        state: { running: { startedAt: '2026-11-22T10:00:00Z' } },
        lastState: terminated(0, 'Completed'),
      }),
      'container api exits with 0',
    ],
    [
      containers({ ...api, state: { waiting: { reason: 'CreateContainerConfigError' } } }),
      'container api: CreateContainerConfigError',
    ],
    [
      containers({ ...api, state: { running: { startedAt: '2026-11-22T10:00:00Z' } } }),
      'container api runs and is not ready',
    ],
    [
      pod({
        phase: 'Pending',
        conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: '0/3 nodes: secret' }],
      }),
      'not scheduled (Unschedulable)',
    ],
    [
      pod({
        initContainerStatuses: [
          { name: 'before', ready: true, state: terminated(0, 'Completed') },
          { name: 'migrate', ready: false, state: terminated(2) },
        ],
        containerStatuses: [{ ...api, state: { waiting: { reason: 'PodInitializing' } } }],
      }),
      'container migrate exits with 2',
    ],
  ]
  for (const [one, wanted] of told) assert.equal(podFaults([one]), wanted)
})

test('what takes turns by itself is told in one way, so that who asks again hears the same', () => {
  const states = [
    { state: { waiting: { reason: 'CrashLoopBackOff' } }, lastState: terminated(1) },
    { state: terminated(1) },
    { state: { running: { startedAt: '2026-11-22T10:00:00Z' } }, lastState: terminated(1) },
  ]
  const crashes = states.map((one, restartCount) => podFaults([containers({ ...api, restartCount, ...one })]))
  assert.deepEqual([...new Set(crashes)], ['container api exits with 1'])
  const pulls = ['ErrImagePull', 'ImagePullBackOff'].map((reason) =>
    podFaults([containers({ ...api, state: { waiting: { reason } } })]),
  )
  assert.deepEqual([...new Set(pulls)], ['container api: ImagePullBackOff'])
  assert.equal(podFaults([crashing, crashing]), podFaults([crashing]))
})

test('Pods that are ready, done, or on their way out are not in the way', () => {
  const ready = { conditions: [{ type: 'Ready', status: 'True' }] }
  const { status } = crashing
  assert.equal(podFaults([pod({ ...Object(status), ...ready })]), '')
  assert.equal(podFaults([pod({ ...Object(status), phase: 'Succeeded' })]), '')
  assert.equal(podFaults([pod(Object(status), { deletionTimestamp: '2026-11-22T10:00:00Z' })]), '')
})

test('of many troubles three are told, and nothing that a Pod could say in its own words', () => {
  const many = ['a', 'b', 'c', 'd'].map((name) => containers({ name, ready: false, state: terminated(1) }))
  assert.equal(podFaults(many), 'container a exits with 1, container b exits with 1, container c exits with 1')
  const said = [
    containers({ name: 'pass word', ready: false, state: terminated(1) }),
    containers({ ...api, state: { waiting: { reason: 'the password is hunter2', message: 'hunter2' } } }),
    containers({ ...api, state: terminated(1, 'it said: hunter2') }),
  ]
  assert.equal(podFaults(said), 'container api exits with 1')
})

test('Pods are found by the selector of what runs them, and those of a Job by its name', () => {
  const of = (group: string, kind: string, spec: JsonObject) =>
    podSelector({ group, kind }, { apiVersion: 'x/v1', kind, metadata: { name: 'one' }, spec })
  const matchExpressions = [
    { key: 'tier', operator: 'In', values: ['a', 'b'] },
    { key: 'old', operator: 'DoesNotExist' },
    { key: 'zone', operator: 'NotIn', values: ['x'] },
    { key: 'team', operator: 'Exists' },
  ]
  const selector = { matchLabels: { app: 'web', part: 'front' }, matchExpressions }
  assert.equal(of('apps', 'Deployment', { selector }), 'app=web,part=front,tier in (a,b),!old,zone notin (x),team')
  assert.equal(of('batch', 'Job', {}), 'batch.kubernetes.io/job-name=one')
  assert.equal(of('apps', 'StatefulSet', { selector: {} }), undefined, 'it would be every Pod')
  assert.equal(of('example.com', 'Deployment', { selector }), undefined)
})
