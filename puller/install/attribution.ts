import type { KubeObject } from '../../contract/artifact/objects.ts'
import type { JsonObject } from '../../contract/canonical-json.ts'
import { FIELD_MANAGER, LABELS } from '../kinds.ts'
import { CHANGED_BY } from '../plan/ignore.ts'
import { MATCH_DEFAULTS } from './admission.ts'

const ADMISSION = 'admissionregistration.k8s.io/v1'
const NAME = 'waybill-attribution'

/**
 * What `waybill install --attribution` prints: a MutatingAdmissionPolicy, v1 from Kubernetes 1.36, that writes onto delivered objects who
 * changed them, `<user name> <the version that was changed>`, so that drift can name a person where managedFields name a program. Changes
 * through a subresource (`kubectl scale`) and deletions leave no such note. It is a help to find out, not evidence: who may change the object
 * can change the note, and a service account that calls itself field manager `waybill` leaves none.
 */
export function attributionObjects(): KubeObject[] {
  const spec: JsonObject = {
    // A note that cannot be written must not keep anybody from writing.
    failurePolicy: 'Ignore',
    reinvocationPolicy: 'Never',
    matchConstraints: {
      ...MATCH_DEFAULTS,
      resourceRules: [{ apiGroups: ['*'], apiVersions: ['*'], resources: ['*'], operations: ['UPDATE'], scope: '*' }],
      objectSelector: { matchExpressions: [{ key: LABELS.partOf, operator: 'Exists' }] },
    },
    matchConditions: [
      { name: 'another-hand', expression: `!(${isDelivery})` },
      // Labels are inherited: what a controller made of a delivered object is its own.
      { name: 'not-made-of-another', expression: '!has(object.metadata.ownerReferences)' },
      {
        name: 'delivered',
        expression:
          'has(oldObject.metadata.managedFields) && ' +
          `oldObject.metadata.managedFields.exists(entry, has(entry.manager) && entry.manager == '${FIELD_MANAGER}')`,
      },
    ],
    mutations: [
      {
        patchType: 'ApplyConfiguration',
        applyConfiguration: {
          expression:
            'Object{metadata: Object.metadata{annotations: {' +
            `'${CHANGED_BY}': request.userInfo.username + ' ' + oldObject.metadata.resourceVersion}}}`,
        },
      },
    ],
  }
  return [
    { apiVersion: ADMISSION, kind: 'MutatingAdmissionPolicy', metadata: { name: NAME }, spec },
    {
      apiVersion: ADMISSION,
      kind: 'MutatingAdmissionPolicyBinding',
      metadata: { name: NAME },
      spec: { policyName: NAME },
    },
  ]
}

/** Deliveries act as service accounts, under our field manager. */
const isDelivery =
  "request.userInfo.username.startsWith('system:serviceaccount:') && request.options != null && " +
  `has(request.options.fieldManager) && request.options.fieldManager == '${FIELD_MANAGER}'`
