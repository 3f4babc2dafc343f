import type { KubeObject } from '../../contract/artifact/objects.ts'
import type { JsonObject } from '../../contract/canonical-json.ts'
import { DELIVERY_EXTRA } from '../cluster/delivery-extra.ts'
import { BREAK_GLASS, type DeliverySpec, deliverySpecSchema, FIELD_MANAGER, GROUP, LABELS } from '../kinds.ts'
import { celText, MATCH_DEFAULTS } from './admission.ts'

const ADMISSION = 'admissionregistration.k8s.io/v1'
export const GUARD_NAME = 'waybill-guard'

/**
 * What `waybill install --guard` adds: a ValidatingAdmissionPolicy that denies changing and deleting delivered objects to all but the puller in the
 * name of a Delivery, the cluster's own controllers, `groups`, and whoever breaks the glass: an object is open to all who may write it while it
 * carries the annotation with a reason. What is asked about is the object as it was, so that nobody gets out by taking off the label, or our
 * entry in managedFields, in the same write. A status, or another subresource that does not change what was delivered, may be written as
 * long as labels, annotations, finalizers and owners stay; so may what people and the puller set on a Delivery that is delivered itself. A Scale has no labels, so it is not seen here: drift repair sees it.
 */
export function guardObjects({ groups }: { readonly groups: readonly string[] }): KubeObject[] {
  const spec: JsonObject = {
    failurePolicy: 'Fail',
    matchConstraints: {
      ...MATCH_DEFAULTS,
      resourceRules: [
        {
          apiGroups: ['*'],
          apiVersions: ['*'],
          resources: ['*/*'],
          operations: ['UPDATE', 'DELETE'],
          scope: '*',
        },
      ],
      objectSelector: { matchExpressions: [{ key: LABELS.partOf, operator: 'Exists' }] },
    },
    matchConditions: [
      // Labels are inherited, and anybody may set them.
      {
        name: 'delivered',
        expression:
          'has(oldObject.metadata.managedFields) && oldObject.metadata.managedFields.exists(entry, ' +
          `has(entry.manager) && entry.manager == '${FIELD_MANAGER}' && has(entry.operation) && entry.operation == 'Apply')`,
      },
      { name: 'not-the-puller', expression: `!(${isPuller})` },
      { name: 'not-a-controller', expression: `!(${isOneOf(CONTROLLERS, [...CONTROLLER_GROUPS, ...groups])})` },
      { name: 'not-only-asked', expression: `!(${isOnlyAsked})` },
    ],
    validations: [
      {
        expression: `${isOpen('oldObject')} || (object != null && (${isOpen('object')} || (${isBeside}) || (${isOperated})))`,
        message: `Waybill delivers this object: change it in Git, or annotate it with ${BREAK_GLASS}: <reason> first`,
        reason: 'Forbidden',
      },
    ],
  }
  return [
    { apiVersion: ADMISSION, kind: 'ValidatingAdmissionPolicy', metadata: { name: GUARD_NAME }, spec },
    {
      apiVersion: ADMISSION,
      kind: 'ValidatingAdmissionPolicyBinding',
      metadata: { name: GUARD_NAME },
      spec: { policyName: GUARD_NAME, validationActions: ['Deny'] },
    },
  ]
}

const keeps = (...fields: readonly string[]) =>
  fields.map((name) => `object.metadata.?${name} == oldObject.metadata.?${name}`).join(' && ')
const keepsPlace = keeps('labels', 'ownerReferences')

/** Of many kinds a status reaches the metadata too, but for the managers: an owner that there is not would have the object collected. */
const isBeside =
  `has(request.subResource) && !(request.subResource in ['', 'ephemeralcontainers', 'resize']) && ` +
  `${keepsPlace} && ${keeps('annotations', 'finalizers')}`

/** Deliveries that are delivered themselves are still held, suspended, approved and confirmed by people, and let go of by the puller. */
const OPERATED: readonly string[] = ['hold', 'suspend'] satisfies (keyof DeliverySpec)[]
const DECLARED = Object.keys(deliverySpecSchema.shape).filter((field) => !OPERATED.includes(field))
const isOperated =
  `request.resource.group == '${GROUP}' && request.resource.resource == 'deliveries' && ${keepsPlace} && ` +
  `${JSON.stringify(DECLARED)}.all(field, object.spec[?field] == oldObject.spec[?field])`

const CONTROLLERS = ['system:kube-controller-manager', 'system:kube-scheduler', 'system:apiserver']
const CONTROLLER_GROUPS = ['system:nodes', 'system:serviceaccounts:kube-system']

const isServiceAccount = "request.userInfo.username.startsWith('system:serviceaccount:')"
/** Only who may impersonate this extra can send it: the puller, by the ClusterRole that comes with the guard. */
const isPuller =
  `${isServiceAccount} && has(request.userInfo.extra) && ` + `'${DELIVERY_EXTRA}' in request.userInfo.extra`

function isOneOf(users: readonly string[], groups: readonly string[]): string {
  const list = (names: readonly string[]) => `[${names.map((name) => `'${celText(name)}'`).join(', ')}]`
  return (
    `request.userInfo.username in ${list(users)} || ` +
    `(has(request.userInfo.groups) && request.userInfo.groups.exists(group, group in ${list(groups)}))`
  )
}

/** Dry runs change nothing; but a puller that was not told of the guard is to learn of it before its first write. */
const isOnlyAsked =
  'has(request.dryRun) && request.dryRun && ' +
  `!(${isServiceAccount} && has(request.options.fieldManager) && request.options.fieldManager == '${FIELD_MANAGER}')`

function isOpen(object: string): string {
  return (
    `(has(${object}.metadata.annotations) && '${BREAK_GLASS}' in ${object}.metadata.annotations && ` +
    `${object}.metadata.annotations['${BREAK_GLASS}'].trim() != '')`
  )
}
