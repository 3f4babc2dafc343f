import type { KubeObject } from '../../contract/artifact/objects.ts'
import { groupOf } from '../../contract/artifact/objects.ts'
import { GROUP } from '../kinds.ts'
import { endOf } from '../plan/runs.ts'
import { conditionOf, isObserved, said, spec, word } from './conditions.ts'
import { failed, HEALTHY, type HealthRule, type ObjectHealth, waiting } from './object-health.ts'

export type { ObjectHealth } from './object-health.ts'

import {
  apiService,
  crd,
  daemonSet,
  deployment,
  disruptionBudget,
  job,
  namespace,
  pod,
  replicaSet,
  service,
  statefulSet,
  volumeClaim,
} from './health-rules.ts'

/** Rules of kstatus (sigs.k8s.io/cli-utils/pkg/kstatus v0.37) by group/kind. */
const RULES: Readonly<Record<string, HealthRule>> = {
  'apps/Deployment': deployment,
  'apps/StatefulSet': statefulSet,
  'apps/DaemonSet': daemonSet,
  'apps/ReplicaSet': replicaSet,
  '/Pod': pod,
  '/ReplicationController': replicaSet,
  '/PersistentVolumeClaim': volumeClaim,
  '/Service': service,
  '/Namespace': namespace,
  'batch/Job': job,
  'apiextensions.k8s.io/CustomResourceDefinition': crd,
  'apiregistration.k8s.io/APIService': apiService,
  'policy/PodDisruptionBudget': disruptionBudget,
}

/**
 * True for built-in kinds, and Waybill's own, that are well as soon as they exist: they are neither listed nor watched, so the account need not be allowed
 * to. A Delivery answers for itself: one that delivers others, or itself, would wait for what it is part of, and be failed by a team's release.
 */
export function isStatic({ group, kind }: { readonly group: string; readonly kind: string }): boolean {
  return (isBuiltIn(group) || group === GROUP) && RULES[`${group}/${kind}`] === undefined
}

/** True where what is wanted of it says that it is well, and no controller has a say: a Service without a load balancer. */
export function isWellByItself(object: KubeObject): boolean {
  const { apiVersion, kind } = object
  return (
    groupOf(apiVersion) === '' &&
    kind === 'Service' &&
    word(spec(object).type) !== 'LoadBalancer' &&
    healthOf(object).state === 'healthy'
  )
}

/** Groups of Kubernetes itself have no dot, or end in .k8s.io and are not those of add-ons that CRDs bring. */
function isBuiltIn(group: string): boolean {
  return !group.includes('.') || BUILT_IN.includes(group)
}

const BUILT_IN = [
  'admissionregistration.k8s.io',
  'apiextensions.k8s.io',
  'apiregistration.k8s.io',
  'authentication.k8s.io',
  'authorization.k8s.io',
  'certificates.k8s.io',
  'coordination.k8s.io',
  'discovery.k8s.io',
  'events.k8s.io',
  'flowcontrol.apiserver.k8s.io',
  'internal.apiserver.k8s.io',
  'networking.k8s.io',
  'node.k8s.io',
  'rbac.authorization.k8s.io',
  'resource.k8s.io',
  'scheduling.k8s.io',
  'storage.k8s.io',
  'storagemigration.k8s.io',
]

/** A Job that has come to its end, one way or the other. */
export function hasEnded({ apiVersion, kind, ...object }: KubeObject): boolean {
  return groupOf(apiVersion) === 'batch' && kind === 'Job' && endOf({ apiVersion, kind, ...object }) !== undefined
}

/** Says how an object stands, by the rules of its kind and of its own generation: never by what a controller saw of an older one. Pure. */
export function healthOf(object: KubeObject): ObjectHealth {
  if (object.metadata.deletionTimestamp !== undefined) return waiting('being deleted')
  const group = groupOf(object.apiVersion)
  const rule = RULES[`${group}/${object.kind}`]
  if (rule !== undefined) return standard(object) ?? rule(object)
  return isBuiltIn(group) ? HEALTHY : custom(object)
}

/** What the conditions of kstatus say, on any kind. */
function standard(object: KubeObject): ObjectHealth | undefined {
  const stalled = conditionOf(object, 'Stalled')
  if (stalled?.status === 'True') return failed(`Stalled${said(stalled)}`)
  const reconciling = conditionOf(object, 'Reconciling')
  return reconciling?.status === 'True' ? waiting(`Reconciling${said(reconciling)}`) : undefined
}

/** Of other kinds: Stalled fails, Reconciling and Ready=False wait; what has no such condition is well once its generation is observed. */
function custom(object: KubeObject): ObjectHealth {
  if (!isObserved(object)) return waiting('its controller has not seen this generation yet')
  const told = standard(object)
  if (told !== undefined) return told
  const ready = conditionOf(object, 'Ready')
  if (ready === undefined || ready.status === 'True') return HEALTHY
  return waiting(`Ready is ${ready.status}${said(ready)}`)
}
