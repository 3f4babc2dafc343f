import { isJsonObject, type JsonObject } from '../../contract/canonical-json.ts'
import type { Resource } from '../cluster/cluster-port.ts'
import { CA_CONFIG_MAP } from '../install/certificates.ts'
import { PULLER_ACCOUNT } from '../install/identity.ts'
import { PART_OF } from '../install/part-of.ts'
import { GROUP } from '../kinds.ts'
import { KEY_SECRET, RECORDS_CONFIG_MAP } from '../records/keys.ts'

/** What of a cluster is Waybill's own: what `install` prints and the puller makes, and of tenants its right to act as their accounts. Pure. */

/** One object that goes. */
export type Target = {
  readonly resource: Resource
  readonly namespace: string
  readonly name: string
  readonly uid: string
  /** A Delivery brought it here. */
  readonly isDelivered: boolean
}

/** In the order of removal; each is gone before the next begins. */
export const PARTS = ['puller', 'rights', 'policies', 'kinds', 'rest', 'namespace'] as const
export type Part = (typeof PARTS)[number]

/** Where the objects of a kind are looked for. */
export type Place = {
  readonly apiVersion: string
  readonly kind: string
  readonly part: Part
  readonly where: 'cluster' | 'own' | 'all'
}

const RBAC = 'rbac.authorization.k8s.io/v1'
const ADMISSION = 'admissionregistration.k8s.io/v1'
const at = (where: Place['where'], part: Part, apiVersion: string, ...kinds: readonly string[]): Place[] =>
  kinds.map((kind) => ({ apiVersion, kind, part, where }))

/** Bindings before what they bind to. */
export const PLACES: readonly Place[] = [
  ...at('own', 'puller', 'apps/v1', 'Deployment'),
  ...at('cluster', 'rights', RBAC, 'ClusterRoleBinding', 'ClusterRole'),
  ...at('all', 'rights', RBAC, 'RoleBinding', 'Role'),
  ...at('cluster', 'policies', ADMISSION, 'ValidatingAdmissionPolicyBinding', 'MutatingAdmissionPolicyBinding'),
  ...at('cluster', 'policies', ADMISSION, 'ValidatingAdmissionPolicy', 'MutatingAdmissionPolicy'),
  ...at('cluster', 'kinds', 'apiextensions.k8s.io/v1', 'CustomResourceDefinition'),
  ...at('own', 'rest', 'policy/v1', 'PodDisruptionBudget'),
  ...at('own', 'rest', 'networking.k8s.io/v1', 'NetworkPolicy'),
  ...at('own', 'rest', 'v1', 'Service', 'ServiceAccount', 'ConfigMap', 'Secret'),
  ...at('own', 'rest', 'monitoring.coreos.com/v1', 'ServiceMonitor'),
  ...at('own', 'rest', RBAC, 'RoleBinding', 'Role'),
  ...at('own', 'rest', 'coordination.k8s.io/v1', 'Lease'),
]

/** As installs before the label named them, by kind. */
const NAMES: Readonly<Record<string, readonly string[]>> = {
  ClusterRole: [PULLER_ACCOUNT, `${PULLER_ACCOUNT}-shared-watch`],
  ClusterRoleBinding: [PULLER_ACCOUNT, `${PULLER_ACCOUNT}-shared-watch`],
  ValidatingAdmissionPolicy: ['waybill-records', 'waybill-status', 'waybill-heads'],
  ValidatingAdmissionPolicyBinding: ['waybill-records', 'waybill-status', 'waybill-heads'],
  MutatingAdmissionPolicy: ['waybill-attribution'],
  MutatingAdmissionPolicyBinding: ['waybill-attribution'],
  ServiceAccount: [PULLER_ACCOUNT],
  Role: [PULLER_ACCOUNT],
  RoleBinding: [PULLER_ACCOUNT],
  Secret: [KEY_SECRET],
  ConfigMap: [RECORDS_CONFIG_MAP],
}
/** The puller makes these, and people may label what they like: the label alone does not tell. */
const BY_NAME: ReadonlySet<string> = new Set(['Secret', 'ConfigMap', 'Lease'])
/** Of pullers of all namespaces, and of some. */
const LEASE = new RegExp(`^${PULLER_ACCOUNT}(?:-[0-9a-f]{10})?$`)

/** Whether an object that was found at a place is Waybill's own. */
export function isWaybills({ kind, where }: Pick<Place, 'kind' | 'where'>, object: JsonObject): boolean {
  const metadata = isJsonObject(object.metadata) ? object.metadata : {}
  const name = String(metadata.name ?? '')
  const labels = isJsonObject(metadata.labels) ? metadata.labels : {}
  if (where === 'all') return isImpersonator(kind, name, object)
  if (kind === 'CustomResourceDefinition') return isJsonObject(object.spec) && object.spec.group === GROUP
  if (kind === 'Lease') return LEASE.test(name)
  if (NAMES[kind]?.includes(name) === true) return true
  const isLabelled = Object.entries(PART_OF).every(([label, value]) => labels[label] === value)
  if (!isLabelled) return false
  return BY_NAME.has(kind) ? kind === 'ConfigMap' && name === CA_CONFIG_MAP : name.startsWith('waybill')
}

/** What `waybill tenant` gives the puller in a tenant's namespace: the right to be exactly one account of it. */
function isImpersonator(kind: string, name: string, { roleRef, rules, subjects }: JsonObject): boolean {
  const prefix = `${PULLER_ACCOUNT}-`
  if (!name.startsWith(prefix)) return false
  if (kind === 'RoleBinding')
    return isJsonObject(roleRef) && roleRef.kind === 'Role' && roleRef.name === name && isPuller(subjects)
  const [rule, ...more] = (Array.isArray(rules) ? rules : []).filter(isJsonObject)
  const { resources, resourceNames, verbs } = rule ?? {}
  const isOne = (value: unknown, text: string) => Array.isArray(value) && value.length === 1 && value[0] === text
  return (
    more.length === 0 &&
    isOne(resources, 'serviceaccounts') &&
    isOne(resourceNames, name.slice(prefix.length)) &&
    Array.isArray(verbs) &&
    verbs.includes('impersonate')
  )
}

/** As `subjectOf` writes it; a puller that comes as a user may have any name. */
function isPuller(subjects: unknown): boolean {
  const [one, ...more] = (Array.isArray(subjects) ? subjects : []).filter(isJsonObject)
  return more.length === 0 && (one?.kind === 'User' || (one?.kind === 'ServiceAccount' && one.name === PULLER_ACCOUNT))
}

/** `ClusterRole.rbac.authorization.k8s.io waybill-puller` */
export function targetName({ resource: { kind, group }, namespace, name }: Target): string {
  return `${kind}${group === '' ? '' : `.${group}`} ${namespace === '' ? '' : `${namespace}/`}${name}`
}
