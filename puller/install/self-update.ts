import type { KubeObject } from '../../contract/artifact/objects.ts'
import type { JsonObject } from '../../contract/canonical-json.ts'
import { GROUP } from '../kinds.ts'
import { CA_CONFIG_MAP } from './certificates.ts'
import { deliveryObject } from './delivery.ts'
import { grant, mayActAs } from './grant.ts'

/** The account that a Delivery in the puller's own namespace acts as, where it names none. */
const ACCOUNT = 'waybill'
const DELIVERY = 'waybill'
const NAME = 'waybill-self-update'

/**
 * What `waybill install --self-update REPOSITORY:CHANNEL` adds: a Delivery of that channel in the puller's own namespace, an account for it
 * that may apply what `install` and `tenant` print, Deliveries and TrustPolicies, and the puller's right to act as it. Who may write ClusterRoles
 * can give himself anything: whom the TrustPolicy of that repository trusts is an administrator of the cluster.
 * @throws WaybillError as deliveryObject
 */
export function selfUpdateObjects({
  namespace,
  identity,
  followed,
}: {
  readonly namespace: string
  /** `host/path:channel` */
  readonly followed: string
  /** User name that the puller's requests come with. */
  readonly identity: string
}): KubeObject[] {
  const account = { kind: 'ServiceAccount', name: ACCOUNT, namespace }
  return [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: ACCOUNT, namespace } },
    ...grant({ name: NAME, rules: CLUSTER_RULES, to: account }),
    ...grant({ name: NAME, namespace, rules: OWN_NAMESPACE_RULES, to: account }),
    ...mayActAs(namespace, ACCOUNT, identity),
    // Whoever installed it owns it until now, and hands it over by this.
    deliveryObject({ name: DELIVERY, namespace, followed, adopt: 'always' }),
  ]
}

const FIND = ['get', 'list', 'watch', 'create']
const CHANGE = ['patch', 'delete']
const manage = (group: string, resources: readonly string[], more: readonly string[] = []): JsonObject => ({
  apiGroups: [group],
  resources,
  verbs: [...FIND, ...CHANGE, ...more],
})

const CLUSTER_RULES: readonly JsonObject[] = [
  manage('apiextensions.k8s.io', ['customresourcedefinitions']),
  manage('admissionregistration.k8s.io', [
    'validatingadmissionpolicies',
    'validatingadmissionpolicybindings',
    'mutatingadmissionpolicies',
    'mutatingadmissionpolicybindings',
  ]),
  // The API server lets nobody write a role that gives more than the writer has, but who has these two verbs.
  manage('rbac.authorization.k8s.io', ['clusterroles', 'roles'], ['bind', 'escalate']),
  manage('rbac.authorization.k8s.io', ['clusterrolebindings', 'rolebindings']),
  manage('', ['namespaces', 'serviceaccounts']),
  manage(GROUP, ['deliveries', 'trustpolicies']),
]

const OWN_NAMESPACE_RULES: readonly JsonObject[] = [
  manage('', ['services']),
  // The heads of the records are ConfigMaps too. RBAC cannot name what is listed or does not exist yet.
  { apiGroups: [''], resources: ['configmaps'], verbs: FIND },
  { apiGroups: [''], resources: ['configmaps'], resourceNames: [CA_CONFIG_MAP], verbs: CHANGE },
  manage('apps', ['deployments']),
  manage('policy', ['poddisruptionbudgets']),
  manage('networking.k8s.io', ['networkpolicies']),
  manage('monitoring.coreos.com', ['servicemonitors']),
]
