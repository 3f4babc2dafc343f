import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isKubeObject } from '../../../contract/artifact/objects.ts'
import { healthOf, isStatic } from '../../../puller/health/health.ts'

const now = { observedGeneration: 2 }
const full = { replicas: 2, updatedReplicas: 2, readyReplicas: 2, availableReplicas: 2 }
const condition = (type: string, status: string, reason = 'R', more: object = {}) => ({
  type,
  status,
  reason,
  message: 'secret',
  ...more,
})

type Row = readonly [what: string, type: string, spec: object, status: object, expected: string]
const ROWS: readonly Row[] = [
  ['not seen', 'apps/v1 Deployment', {}, {}, 'waiting'],
  ['an older generation', 'apps/v1 Deployment', { replicas: 2 }, { observedGeneration: 1, ...full }, 'waiting'],
  ['complete', 'apps/v1 Deployment', { replicas: 2 }, { ...now, ...full }, 'healthy'],
  [
    'scaled to nothing',
    'apps/v1 Deployment',
    { replicas: 0 },
    { ...now, conditions: [condition('Available', 'False')] },
    'healthy',
  ],
  ['not updated', 'apps/v1 Deployment', { replicas: 2 }, { ...now, ...full, updatedReplicas: 1 }, 'waiting'],
  ['old Pods', 'apps/v1 Deployment', { replicas: 2 }, { ...now, ...full, replicas: 3 }, 'waiting'],
  ['not available', 'apps/v1 Deployment', { replicas: 2 }, { ...now, ...full, availableReplicas: 1 }, 'waiting'],
  [
    'past its deadline',
    'apps/v1 Deployment',
    { replicas: 2 },
    { ...now, conditions: [condition('Progressing', 'False', 'ProgressDeadlineExceeded')] },
    'failed',
  ],
  [
    'past its deadline in an older generation',
    'apps/v1 Deployment',
    {},
    { observedGeneration: 1, conditions: [condition('Progressing', 'False', 'ProgressDeadlineExceeded')] },
    'waiting',
  ],
  [
    'rolling out still, though the numbers are reached',
    'apps/v1 Deployment',
    { replicas: 2, progressDeadlineSeconds: 600 },
    { ...now, ...full, conditions: [condition('Progressing', 'True', 'ReplicaSetUpdated')] },
    'waiting',
  ],
  [
    'rolled out',
    'apps/v1 Deployment',
    { replicas: 2, progressDeadlineSeconds: 600 },
    { ...now, ...full, conditions: [condition('Progressing', 'True', 'NewReplicaSetAvailable')] },
    'healthy',
  ],
  [
    'stalled, as a condition of kstatus says',
    'apps/v1 Deployment',
    { replicas: 2 },
    { ...now, ...full, conditions: [condition('Stalled', 'True')] },
    'failed',
  ],
  [
    'refused for good',
    'apiextensions.k8s.io/v1 CustomResourceDefinition',
    {},
    { conditions: [condition('Established', 'False', 'NotAccepted')] },
    'failed',
  ],
  [
    'being installed',
    'apiextensions.k8s.io/v1 CustomResourceDefinition',
    {},
    { conditions: [condition('Established', 'False', 'Installing')] },
    'waiting',
  ],
  ['not seen', 'apps/v1 StatefulSet', {}, {}, 'waiting'],
  [
    'complete',
    'apps/v1 StatefulSet',
    { replicas: 2 },
    { ...now, ...full, currentReplicas: 2, currentRevision: 'a', updateRevision: 'a' },
    'healthy',
  ],
  [
    'rolling',
    'apps/v1 StatefulSet',
    { replicas: 2 },
    { ...now, ...full, currentReplicas: 2, currentRevision: 'a', updateRevision: 'b' },
    'waiting',
  ],
  [
    'partitioned',
    'apps/v1 StatefulSet',
    { replicas: 2, updateStrategy: { rollingUpdate: { partition: 1 } } },
    { ...now, ...full, updatedReplicas: 1, currentRevision: 'a', updateRevision: 'b' },
    'healthy',
  ],
  [
    'partition behind',
    'apps/v1 StatefulSet',
    { replicas: 3, updateStrategy: { rollingUpdate: { partition: 1 } } },
    { ...now, replicas: 3, readyReplicas: 3, availableReplicas: 3, updatedReplicas: 1 },
    'waiting',
  ],
  ['not ready', 'apps/v1 StatefulSet', { replicas: 2 }, { ...now, ...full, readyReplicas: 1 }, 'waiting'],
  [
    'complete',
    'apps/v1 DaemonSet',
    {},
    {
      ...now,
      desiredNumberScheduled: 1,
      currentNumberScheduled: 1,
      updatedNumberScheduled: 1,
      numberAvailable: 1,
      numberReady: 1,
    },
    'healthy',
  ],
  [
    'not updated',
    'apps/v1 DaemonSet',
    {},
    {
      ...now,
      desiredNumberScheduled: 1,
      currentNumberScheduled: 1,
      updatedNumberScheduled: 0,
      numberAvailable: 1,
      numberReady: 1,
    },
    'waiting',
  ],
  ['no node counted', 'apps/v1 DaemonSet', {}, now, 'waiting'],
  [
    'complete',
    'apps/v1 ReplicaSet',
    { replicas: 1 },
    { ...now, replicas: 1, fullyLabeledReplicas: 1, readyReplicas: 1, availableReplicas: 1 },
    'healthy',
  ],
  [
    'forbidden',
    'apps/v1 ReplicaSet',
    { replicas: 1 },
    { ...now, conditions: [condition('ReplicaFailure', 'True')] },
    'waiting',
  ],
  ['ready', 'v1 Pod', {}, { phase: 'Running', conditions: [condition('Ready', 'True')] }, 'healthy'],
  ['running', 'v1 Pod', {}, { phase: 'Running', conditions: [condition('Ready', 'False')] }, 'waiting'],
  [
    'crashing',
    'v1 Pod',
    {},
    { phase: 'Running', containerStatuses: [{ state: { waiting: { reason: 'CrashLoopBackOff' } } }] },
    'failed',
  ],
  ['finished', 'v1 Pod', {}, { phase: 'Succeeded' }, 'healthy'],
  ['ended badly', 'v1 Pod', {}, { phase: 'Failed' }, 'failed'],
  ['not started', 'batch/v1 Job', {}, {}, 'waiting'],
  ['running', 'batch/v1 Job', {}, { startTime: 'x', active: 1 }, 'healthy'],
  ['complete', 'batch/v1 Job', {}, { startTime: 'x', conditions: [condition('Complete', 'True')] }, 'healthy'],
  ['failed', 'batch/v1 Job', {}, { startTime: 'x', conditions: [condition('Failed', 'True')] }, 'failed'],
  ['bound', 'v1 PersistentVolumeClaim', {}, { phase: 'Bound' }, 'healthy'],
  ['pending', 'v1 PersistentVolumeClaim', {}, { phase: 'Pending' }, 'waiting'],
  ['lost', 'v1 PersistentVolumeClaim', {}, { phase: 'Lost' }, 'failed'],
  ['inside the cluster', 'v1 Service', { type: 'ClusterIP' }, {}, 'healthy'],
  ['no address', 'v1 Service', { type: 'LoadBalancer', clusterIP: '10.0.0.1' }, { loadBalancer: {} }, 'waiting'],
  [
    'with an address',
    'v1 Service',
    { type: 'LoadBalancer', clusterIP: '10.0.0.1' },
    { loadBalancer: { ingress: [{ ip: 'x' }] } },
    'healthy',
  ],
  ['active', 'v1 Namespace', {}, { phase: 'Active' }, 'healthy'],
  ['ending', 'v1 Namespace', {}, { phase: 'Terminating' }, 'waiting'],
  ['new', 'apiextensions.k8s.io/v1 CustomResourceDefinition', {}, {}, 'waiting'],
  [
    'established',
    'apiextensions.k8s.io/v1 CustomResourceDefinition',
    {},
    { conditions: [condition('Established', 'True')] },
    'healthy',
  ],
  [
    'of a name that is taken',
    'apiextensions.k8s.io/v1 CustomResourceDefinition',
    {},
    { conditions: [condition('NamesAccepted', 'False')] },
    'failed',
  ],
  ['down', 'apiregistration.k8s.io/v1 APIService', {}, { conditions: [condition('Available', 'False')] }, 'waiting'],
  ['up', 'apiregistration.k8s.io/v1 APIService', {}, { conditions: [condition('Available', 'True')] }, 'healthy'],
  ['counted', 'policy/v1 PodDisruptionBudget', {}, now, 'healthy'],
  ['not counted', 'policy/v1 PodDisruptionBudget', {}, { observedGeneration: 1 }, 'waiting'],
  ['any', 'autoscaling/v2 HorizontalPodAutoscaler', {}, { conditions: [condition('AbleToScale', 'False')] }, 'healthy'],
  ['any', 'v1 ConfigMap', {}, {}, 'healthy'],
  ['without conditions', 'example.com/v1 Thing', {}, {}, 'healthy'],
  ['ready', 'example.com/v1 Thing', {}, { ...now, conditions: [condition('Ready', 'True')] }, 'healthy'],
  ['not ready', 'example.com/v1 Thing', {}, { ...now, conditions: [condition('Ready', 'False')] }, 'waiting'],
  ['unknown', 'example.com/v1 Thing', {}, { ...now, conditions: [condition('Ready', 'Unknown')] }, 'waiting'],
  ['stalled', 'example.com/v1 Thing', {}, { ...now, conditions: [condition('Stalled', 'True')] }, 'failed'],
  [
    'reconciling',
    'example.com/v1 Thing',
    {},
    { ...now, conditions: [condition('Ready', 'True'), condition('Reconciling', 'True')] },
    'waiting',
  ],
  [
    'ready in an older generation',
    'example.com/v1 Thing',
    {},
    { observedGeneration: 1, conditions: [condition('Ready', 'True')] },
    'waiting',
  ],
  [
    'stalled in an older generation',
    'example.com/v1 Thing',
    {},
    { conditions: [condition('Stalled', 'True', 'R', { observedGeneration: 1 })] },
    'healthy',
  ],
]

for (const [what, type, spec, status, expected] of ROWS)
  test(`a ${type.split(' ')[1]} that is ${what} is ${expected}`, () => {
    const [apiVersion, kind] = type.split(' ')
    const object = JSON.parse(
      JSON.stringify({ apiVersion, kind, metadata: { name: 'x', generation: 2 }, spec, status }),
    )
    assert.ok(isKubeObject(object))
    const health = healthOf(object)
    assert.equal(health.state, expected, JSON.stringify(health))
    assert.ok(!JSON.stringify(health).includes('secret'))
  })

test('an object that is being deleted is not healthy', () => {
  const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'x', deletionTimestamp: 'now' } }
  assert.equal(healthOf(object).state, 'waiting')
})

test('kinds without a notion of health need not be listed, so an account needs no right to list Secrets', () => {
  assert.ok(isStatic({ group: '', kind: 'Secret' }))
  assert.ok(isStatic({ group: 'rbac.authorization.k8s.io', kind: 'Role' }))
  assert.ok(!isStatic({ group: 'apps', kind: 'Deployment' }))
  assert.ok(!isStatic({ group: 'snapshot.storage.k8s.io', kind: 'VolumeSnapshot' }))
  assert.ok(
    isStatic({ group: 'waybill.dev', kind: 'Delivery' }),
    'a Delivery that delivers itself would wait for itself',
  )
})
