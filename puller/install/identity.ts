import type { JsonObject } from '../../contract/canonical-json.ts'

export const PULLER_ACCOUNT = 'waybill-puller'

/** The user name that the puller's requests come with, when it runs as its own service account. */
export function pullerIdentity(namespace: string): string {
  return `system:serviceaccount:${namespace}:${PULLER_ACCOUNT}`
}

/** That user as the subject of a binding: a service account, or a user of the kubeconfig that the puller was given. */
export function subjectOf(identity: string): JsonObject {
  const [, namespace, name] = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(identity) ?? []
  return namespace === undefined || name === undefined
    ? { kind: 'User', apiGroup: 'rbac.authorization.k8s.io', name: identity }
    : { kind: 'ServiceAccount', namespace, name }
}
