import { isJsonObject, type Json, type JsonObject } from '../contract/canonical-json.ts'
import { WaybillError } from '../contract/errors.ts'
import { parseTrustPolicy, repositoryMatches, type TrustPolicy } from '../contract/trust/trust-policy.ts'
import { ANNOTATION, API_VERSION, type Delivery, deliveryStatusSchema, parseDeliverySpec } from './kinds.ts'

/** What of a Delivery can be said before its spec is read: enough to write its status. */
export type DeliveryHeader = Omit<Delivery, 'spec' | 'specEditedBy' | 'approvedBy' | 'confirmedBy' | 'liftedBy'> & {
  readonly labels: Readonly<Record<string, string>>
}

/** Reads what every Delivery has. @throws WaybillError DELIVERY_INVALID where the API server would never have taken it */
export function parseHeader(object: JsonObject): DeliveryHeader {
  const metadata = isJsonObject(object.metadata) ? object.metadata : {}
  const text = (field: string): string => {
    const value = metadata[field]
    if (typeof value === 'string' && value !== '') return value
    throw new WaybillError('DELIVERY_INVALID', `a Delivery without metadata.${field}`)
  }
  const status = deliveryStatusSchema.safeParse(object.status ?? {})
  return {
    name: text('name'),
    namespace: text('namespace'),
    uid: text('uid'),
    resourceVersion: text('resourceVersion'),
    generation: typeof metadata.generation === 'number' ? metadata.generation : 1,
    annotations: strings(metadata.annotations),
    finalizers: (Array.isArray(metadata.finalizers) ? metadata.finalizers : []).filter(
      (one) => typeof one === 'string',
    ),
    ...(typeof metadata.deletionTimestamp === 'string' ? { deletedAt: metadata.deletionTimestamp } : {}),
    labels: strings(metadata.labels),
    status: status.success ? status.data : {},
  }
}

/** @throws WaybillError DELIVERY_INVALID */
export function parseDelivery(object: JsonObject): Delivery {
  const { labels: _, ...header } = parseHeader(object)
  const editor = editorOf(object, ['f:spec'])
  const approver = editorOf(object, annotationPath(ANNOTATION.approve))
  const confirmer = editorOf(object, annotationPath(ANNOTATION.confirm))
  const lifter = editorOf(object, annotationPath(ANNOTATION.lifted))
  return {
    ...header,
    spec: parseDeliverySpec(`${header.namespace}/${header.name}`, object.spec),
    ...(editor === undefined ? {} : { specEditedBy: editor }),
    ...(approver === undefined ? {} : { approvedBy: approver }),
    ...(confirmer === undefined ? {} : { confirmedBy: confirmer }),
    ...(lifter === undefined ? {} : { liftedBy: lifter }),
  }
}

function annotationPath(name: string): readonly string[] {
  return ['f:metadata', 'f:annotations', `f:${name}`]
}

/** The newest managedFields entry that holds something at `path`: who the API server says edited it last. */
function editorOf(object: JsonObject, path: readonly string[]): Delivery['specEditedBy'] {
  const metadata = isJsonObject(object.metadata) ? object.metadata : {}
  const entries = (Array.isArray(metadata.managedFields) ? metadata.managedFields : [])
    .filter(isJsonObject)
    .filter(({ subresource, fieldsV1 }) => !subresource && valueAt(fieldsV1, path) !== undefined)
    .map(({ manager, time }) => ({ manager: String(manager ?? ''), at: typeof time === 'string' ? time : '' }))
    .sort((a, b) => (a.at < b.at ? 1 : -1))
  const newest = entries[0]
  if (newest === undefined) return undefined
  return { manager: newest.manager.slice(0, 256), ...(newest.at === '' ? {} : { at: newest.at }) }
}

function valueAt(value: Json | undefined, path: readonly string[]): Json | undefined {
  return path.reduce<Json | undefined>((at, field) => (isJsonObject(at) ? at[field] : undefined), value)
}

function strings(value: Json | undefined): Record<string, string> {
  const entries = Object.entries(isJsonObject(value) ? value : {})
  return Object.fromEntries(entries.filter((entry): entry is [string, string] => typeof entry[1] === 'string'))
}

/** The cluster's TrustPolicies. One that does not parse still counts: what it may cover is refused. */
export type PolicySet = {
  readonly policies: readonly TrustPolicy[]
  readonly invalid: readonly { readonly name: string; readonly patterns: readonly string[]; readonly error: unknown }[]
}

/** Reads TrustPolicy objects, sorted by name. Never throws: what is wrong with one is kept beside it. */
export function parsePolicies(objects: readonly JsonObject[]): PolicySet {
  const policies: TrustPolicy[] = []
  const invalid: { name: string; patterns: string[]; error: unknown }[] = []
  for (const object of objects) {
    const metadata = isJsonObject(object.metadata) ? object.metadata : {}
    const name = String(metadata.name ?? '')
    try {
      const generation = typeof metadata.generation === 'number' ? metadata.generation : undefined
      policies.push(parseTrustPolicy(name, object.spec, generation))
    } catch (error) {
      const spec = isJsonObject(object.spec) ? object.spec : {}
      const patterns = Array.isArray(spec.repositories) ? spec.repositories.map(String) : ['']
      invalid.push({ name, patterns, error })
    }
  }
  return { policies: policies.sort((a, b) => (a.name < b.name ? -1 : 1)), invalid }
}

/**
 * The policies to hold something from `repositories` (where it is read, and the canonical one) against.
 * @throws WaybillError POLICY_INVALID or FIELD_UNSUPPORTED when a policy that may cover one of them cannot be read: leaving it out would trust more
 *   than the admin said
 */
export function policiesFor(set: PolicySet, repositories: readonly string[]): readonly TrustPolicy[] {
  for (const { patterns, error } of set.invalid) {
    const covers = patterns.some(
      (pattern) => !pattern.includes('/') || repositories.some((r) => repositoryMatches(pattern, r)),
    )
    if (covers) throw error
  }
  return set.policies
}

/** `/apis/waybill.dev/v1alpha1/trustpolicies` */
export const TRUST_POLICIES_PATH = `/apis/${API_VERSION}/trustpolicies`
export const DELIVERIES_PATH = `/apis/${API_VERSION}/deliveries`

export function deliveryPath(namespace: string, name: string): string {
  return `/apis/${API_VERSION}/namespaces/${encodeURIComponent(namespace)}/deliveries/${encodeURIComponent(name)}`
}
