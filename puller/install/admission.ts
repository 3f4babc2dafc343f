import type { KubeObject } from '../../contract/artifact/objects.ts'
import type { JsonObject } from '../../contract/canonical-json.ts'
import { GROUP } from '../kinds.ts'
import { KEY_SECRET, RECORDS_CONFIG_MAP } from '../records/keys.ts'

const ADMISSION = 'admissionregistration.k8s.io/v1'
const CONTROLLER = 'system:serviceaccount:kube-system'

/**
 * ValidatingAdmissionPolicies that let only `identity` write records, inventories, the status of Deliveries, the heads
 * and the key: a cluster admin is denied like everybody else. The one exception is the cluster's own namespace
 * controller, which may delete (never create or change) while a namespace is being deleted, or that would hang for ever;
 * and the garbage collector, which may delete inventories. No policy can guard itself: who may delete it, impersonate the puller
 * or read its key gets round it, and the audit log of the API server and `waybill audit --head` are what shows that.
 */
export function admissionObjects({
  namespace,
  identity,
}: {
  readonly namespace: string
  readonly identity: string
}): KubeObject[] {
  const isPuller = `request.userInfo.username == '${celText(identity)}'`
  return [
    ...policy({
      name: 'waybill-records',
      resourceRules: [
        resources(GROUP, 'v1alpha1', ['deliveryrecords', 'deliveryinventories'], ['CREATE', 'UPDATE', 'DELETE']),
      ],
      expression: `${isPuller} || (request.operation == 'DELETE' && (${namespaceEnds} || ${inventoryIsCollected}))`,
      message: 'only the puller writes records and inventories',
    }),
    ...policy({
      name: 'waybill-status',
      resourceRules: [resources(GROUP, 'v1alpha1', ['deliveries/status'], ['UPDATE'])],
      expression: isPuller,
      message: 'only the puller writes the status of Deliveries',
    }),
    ...policy({
      name: 'waybill-heads',
      namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } },
      resourceRules: [resources('', 'v1', ['configmaps', 'secrets'], ['CREATE', 'UPDATE', 'DELETE'])],
      // Not resourceNames: a request that deletes a whole collection has no name.
      condition:
        `(request.resource.resource == 'configmaps' && ${objectName} == '${RECORDS_CONFIG_MAP}') || ` +
        `(request.resource.resource == 'secrets' && ${objectName} == '${KEY_SECRET}')`,
      expression: `${isPuller} || (request.operation == 'DELETE' && ${namespaceEnds})`,
      message: 'only the puller writes the heads of its records and its key',
    }),
  ]
}

// `object` is null on DELETE, `oldObject` on CREATE.
const objectName = '(object != null ? object : oldObject).metadata.name'
const namespaceEnds =
  `(request.userInfo.username in ['${CONTROLLER}:namespace-controller', 'system:kube-controller-manager'] && ` +
  'namespaceObject != null && has(namespaceObject.metadata.deletionTimestamp))'
const inventoryIsCollected =
  "(request.resource.resource == 'deliveryinventories' && " +
  `request.userInfo.username in ['${CONTROLLER}:generic-garbage-collector', 'system:kube-controller-manager'])`

/** What the API server would fill in: the field is one to it, so that applying it without them would be a change each time. */
export const MATCH_DEFAULTS = { matchPolicy: 'Equivalent', namespaceSelector: {}, objectSelector: {} } as const

type PolicyOptions = {
  readonly name: string
  readonly resourceRules: readonly JsonObject[]
  readonly namespaceSelector?: JsonObject
  readonly condition?: string
  readonly expression: string
  readonly message: string
}

function policy({
  name,
  resourceRules,
  namespaceSelector,
  condition,
  expression,
  message,
}: PolicyOptions): KubeObject[] {
  return [
    {
      apiVersion: ADMISSION,
      kind: 'ValidatingAdmissionPolicy',
      metadata: { name },
      spec: {
        failurePolicy: 'Fail',
        matchConstraints: {
          ...MATCH_DEFAULTS,
          resourceRules,
          ...(namespaceSelector === undefined ? {} : { namespaceSelector }),
        },
        ...(condition === undefined ? {} : { matchConditions: [{ name: 'ours', expression: condition }] }),
        validations: [{ expression, message, reason: 'Forbidden' }],
      },
    },
    {
      apiVersion: ADMISSION,
      kind: 'ValidatingAdmissionPolicyBinding',
      metadata: { name },
      spec: { policyName: name, validationActions: ['Deny'] },
    },
  ]
}

function resources(
  group: string,
  version: string,
  names: readonly string[],
  operations: readonly string[],
): JsonObject {
  return { apiGroups: [group], apiVersions: [version], resources: names, operations, scope: '*' }
}

/** The text as it stands inside single quotes in CEL. */
export function celText(text: string): string {
  return text.replace(/[\\']/g, (char) => `\\${char}`)
}
