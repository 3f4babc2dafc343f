import type { KubeObject } from '../../contract/artifact/objects.ts'
import type { JsonObject } from '../../contract/canonical-json.ts'
import { DELIVERY_EXTRA } from '../cluster/delivery-extra.ts'
import { GROUP } from '../kinds.ts'
import { KEY_SECRET, RECORDS_CONFIG_MAP } from '../records/keys.ts'
import { PULLER_ACCOUNT, subjectOf } from './identity.ts'
import type { SharedKind } from './shared-kinds.ts'

const RBAC = 'rbac.authorization.k8s.io/v1'
const BINDING = 'rbac.authorization.k8s.io'

/** The puller's namespace. `isRestricted`: its pods have to pass Pod Security `restricted`, as those that install prints do. */
export function namespaceObject(name: string, { isRestricted }: { readonly isRestricted: boolean }): KubeObject {
  const labels = isRestricted ? { labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } } : {}
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name, ...labels } }
}

/**
 * The puller's service account, and the least that it needs: its own kinds, Events, Leases, its own Secret
 * and ConfigMap, discovery. It may impersonate nobody until `waybill tenant` names an account.
 */
export function rbacObjects({
  namespace,
  identity,
  shared = [],
  namesDeliveries = false,
}: {
  readonly namespace: string
  readonly identity: string
  /** Kinds that the puller watches everywhere as itself. */
  readonly shared?: readonly SharedKind[]
  /** It says for which Delivery it acts (`puller --guard`). */
  readonly namesDeliveries?: boolean
}): KubeObject[] {
  const clusterRules = namesDeliveries ? [...CLUSTER_RULES, NAME_DELIVERIES] : CLUSTER_RULES
  const subjects = [subjectOf(identity)]
  return [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: PULLER_ACCOUNT, namespace } },
    { apiVersion: RBAC, kind: 'ClusterRole', metadata: { name: PULLER_ACCOUNT }, rules: clusterRules },
    {
      apiVersion: RBAC,
      kind: 'ClusterRoleBinding',
      metadata: { name: PULLER_ACCOUNT },
      roleRef: { apiGroup: BINDING, kind: 'ClusterRole', name: PULLER_ACCOUNT },
      subjects,
    },
    ...(shared.length === 0 ? [] : sharedWatch(shared, subjects)),
    { apiVersion: RBAC, kind: 'Role', metadata: { name: PULLER_ACCOUNT, namespace }, rules: OWN_NAMESPACE_RULES },
    {
      apiVersion: RBAC,
      kind: 'RoleBinding',
      metadata: { name: PULLER_ACCOUNT, namespace },
      roleRef: { apiGroup: BINDING, kind: 'Role', name: PULLER_ACCOUNT },
      subjects,
    },
  ]
}

/** What the puller may list and watch in the whole cluster; RBAC cannot limit that to metadata. */
function sharedWatch(shared: readonly SharedKind[], subjects: readonly JsonObject[]): KubeObject[] {
  const name = `${PULLER_ACCOUNT}-shared-watch`
  const rules = shared.map(({ group, plural }) => allow(group, [plural], ['list', 'watch']))
  return [
    { apiVersion: RBAC, kind: 'ClusterRole', metadata: { name }, rules },
    {
      apiVersion: RBAC,
      kind: 'ClusterRoleBinding',
      metadata: { name },
      roleRef: { apiGroup: BINDING, kind: 'ClusterRole', name },
      subjects,
    },
  ]
}

const READ = ['get', 'list', 'watch']
const WRITE = ['create', 'update', 'patch', 'delete']
const allow = (
  group: string,
  resources: readonly string[],
  verbs: readonly string[],
  names?: readonly string[],
): JsonObject => ({
  apiGroups: [group],
  resources,
  ...(names === undefined ? {} : { resourceNames: names }),
  verbs,
})

const CLUSTER_RULES: readonly JsonObject[] = [
  // patch: our finalizer, and a hold or suspension whose end has come.
  allow(GROUP, ['deliveries'], [...READ, 'patch']),
  allow(GROUP, ['deliveries/status'], ['get', 'update', 'patch']),
  allow(GROUP, ['trustpolicies'], READ),
  // delete: old records, behind a signed Checkpoint. They are never updated.
  allow(GROUP, ['deliveryrecords'], [...READ, 'create', 'delete']),
  allow(GROUP, ['deliveryinventories'], [...READ, ...WRITE]),
  allow('', ['events'], ['create', 'patch']),
  {
    nonResourceURLs: ['/api', '/api/*', '/apis', '/apis/*', '/openapi', '/openapi/*', '/version', '/livez', '/readyz'],
    verbs: ['get'],
  },
]

/** An extra alone makes nobody anybody: whom to be is impersonated besides. */
const NAME_DELIVERIES = allow('authentication.k8s.io', [`userextras/${DELIVERY_EXTRA}`], ['impersonate'])

// RBAC cannot name what does not exist yet: create has no name.
const OWN_NAMESPACE_RULES: readonly JsonObject[] = [
  allow('', ['secrets'], ['create']),
  allow('', ['secrets'], ['get'], [KEY_SECRET]),
  allow('', ['configmaps'], ['create']),
  allow('', ['configmaps'], ['get', 'update', 'patch'], [RECORDS_CONFIG_MAP]),
  // Replicas; pullers of some namespaces only have Leases of other names.
  allow('coordination.k8s.io', ['leases'], ['get', 'create', 'update']),
]
