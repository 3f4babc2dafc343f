import type { KubeObject } from '../../contract/artifact/objects.ts'
import type { JsonObject } from '../../contract/canonical-json.ts'
import { DEFAULT_NAMESPACE } from '../records/keys.ts'
import { grant, mayActAs } from './grant.ts'
import { pullerIdentity } from './identity.ts'
import { labelled } from './part-of.ts'

export type TenantOptions = {
  /** The tenant's namespace. */
  readonly name: string
  /** The service account that Deliveries there act as. Default: waybill. */
  readonly account?: string
  /** The puller's own namespace. Default: waybill-system. */
  readonly pullerNamespace?: string
  /** As InstallOptions.identity. */
  readonly identity?: string
  /** API groups of custom kinds that the tenant may use, besides the built-in ones. */
  readonly apiGroups?: readonly string[]
}

/**
 * What `waybill tenant NAME` prints, in the order to apply it in: a namespace, an account that may manage what people
 * deliver in it, and the puller's right to act as exactly that account. Left out of the account's rights on purpose: quotas and limit
 * ranges (they bound the tenant), tokens of service accounts, Waybill's own kinds. Roles that it delivers can give no more
 * than it has: the API server sees to that.
 */
export function tenantObjects(options: TenantOptions): KubeObject[] {
  const { name: namespace, account = 'waybill', pullerNamespace = DEFAULT_NAMESPACE, apiGroups = [] } = options
  const identity = options.identity ?? pullerIdentity(pullerNamespace)
  return labelled([
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } },
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: account, namespace } },
    ...grant({
      name: account,
      namespace,
      rules: accountRules(apiGroups),
      to: { kind: 'ServiceAccount', name: account, namespace },
    }),
    ...mayActAs(namespace, account, identity),
  ])
}

const VERBS = ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete']

/** Namespaced kinds of Kubernetes 1.36 that people deliver, by API group. */
const DELIVERED: Readonly<Record<string, readonly string[]>> = {
  '': [
    'configmaps',
    'endpoints',
    'persistentvolumeclaims',
    'pods',
    'podtemplates',
    'replicationcontrollers',
    'secrets',
    'serviceaccounts',
    'services',
  ],
  apps: ['controllerrevisions', 'daemonsets', 'deployments', 'replicasets', 'statefulsets'],
  autoscaling: ['horizontalpodautoscalers'],
  batch: ['cronjobs', 'jobs'],
  'coordination.k8s.io': ['leases'],
  'discovery.k8s.io': ['endpointslices'],
  'networking.k8s.io': ['ingresses', 'networkpolicies'],
  policy: ['poddisruptionbudgets'],
  'rbac.authorization.k8s.io': ['rolebindings', 'roles'],
  'resource.k8s.io': ['resourceclaims', 'resourceclaimtemplates'],
}

function accountRules(apiGroups: readonly string[]): readonly JsonObject[] {
  const builtIn = Object.entries(DELIVERED).map(([group, resources]) => ({
    apiGroups: [group],
    resources,
    verbs: VERBS,
  }))
  const custom = apiGroups.length === 0 ? [] : [{ apiGroups, resources: ['*'], verbs: VERBS }]
  return [...builtIn, ...custom]
}
