import type { KubeObject } from '../../contract/artifact/objects.ts'
import type { JsonObject } from '../../contract/canonical-json.ts'
import { DELIVERY_EXTRA } from '../cluster/delivery-extra.ts'
import { GROUP } from '../kinds.ts'
import { KEY_SECRET, RECORDS_CONFIG_MAP } from '../records/keys.ts'
import { grant } from './grant.ts'
import { PULLER_ACCOUNT, subjectOf } from './identity.ts'
import type { SharedKind } from './shared-kinds.ts'

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
  const to = subjectOf(identity)
  return [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: PULLER_ACCOUNT, namespace } },
    ...grant({ name: PULLER_ACCOUNT, rules: clusterRules, to }),
    ...(shared.length === 0 ? [] : grant({ name: `${PULLER_ACCOUNT}-shared-watch`, rules: shared.map(watch), to })),
    ...grant({ name: PULLER_ACCOUNT, namespace, rules: OWN_NAMESPACE_RULES, to }),
  ]
}

/** What the puller may list and watch in the whole cluster; RBAC cannot limit that to metadata. */
function watch({ group, plural }: SharedKind): JsonObject {
  return allow(group, [plural], ['list', 'watch'])
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
