import type { ObjectId } from '../artifact/objects.ts'

const RBAC = 'rbac.authorization.k8s.io'
const ADMISSION = 'admissionregistration.k8s.io'

/** Group-kinds by the stage that they are applied in; deletion goes the other way round. What is not listed is in `everything else`. */
const STAGES: readonly (readonly string[])[] = [
  [
    'apiextensions.k8s.io/CustomResourceDefinition',
    '/Namespace',
    'scheduling.k8s.io/PriorityClass',
    'storage.k8s.io/StorageClass',
  ],
  [
    '/ServiceAccount',
    `${RBAC}/Role`,
    `${RBAC}/ClusterRole`,
    '/Secret',
    '/ConfigMap',
    '/PersistentVolume',
    '/PersistentVolumeClaim',
    '/ResourceQuota',
    '/LimitRange',
  ],
  [`${RBAC}/RoleBinding`, `${RBAC}/ClusterRoleBinding`],
  [],
  [
    `${ADMISSION}/ValidatingWebhookConfiguration`,
    `${ADMISSION}/MutatingWebhookConfiguration`,
    `${ADMISSION}/ValidatingAdmissionPolicyBinding`,
    `${ADMISSION}/MutatingAdmissionPolicyBinding`,
    'apiregistration.k8s.io/APIService',
  ],
]
const EVERYTHING_ELSE = 3

/** How many stages there are; `stageOf` is below it. */
export const STAGE_COUNT = STAGES.length

const BY_KIND: ReadonlyMap<string, number> = new Map(
  STAGES.flatMap((kinds, stage) => kinds.map((kind) => [kind, stage] as const)),
)

/** 0: CRDs, Namespaces; 1: accounts, roles, configuration; 2: bindings; 3: everything else; 4: what stands in the way of requests. */
export function stageOf({ group, kind }: Pick<ObjectId, 'group' | 'kind'>): number {
  return BY_KIND.get(`${group}/${kind}`) ?? EVERYTHING_ELSE
}
