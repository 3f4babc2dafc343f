import type { KubeObject } from '../../contract/artifact/objects.ts'
import type { JsonObject } from '../../contract/canonical-json.ts'
import { PULLER_ACCOUNT, subjectOf } from './identity.ts'

const GROUP = 'rbac.authorization.k8s.io'
const RBAC = `${GROUP}/v1`

/** A role and its binding, both called `name`: in a namespace, or in the whole cluster where none is named. */
export function grant(options: {
  readonly name: string
  readonly namespace?: string
  readonly rules: readonly JsonObject[]
  /** A subject of a binding. */
  readonly to: JsonObject
}): KubeObject[] {
  const { name, namespace, rules, to } = options
  const kind = namespace === undefined ? 'ClusterRole' : 'Role'
  const metadata = { name, ...(namespace === undefined ? {} : { namespace }) }
  const roleRef = { apiGroup: GROUP, kind, name }
  return [
    { apiVersion: RBAC, kind, metadata, rules },
    { apiVersion: RBAC, kind: `${kind}Binding`, metadata, roleRef, subjects: [to] },
  ]
}

/** The right of `identity`, the puller, to act as exactly this service account. */
export function mayActAs(namespace: string, account: string, identity: string): KubeObject[] {
  return grant({
    name: `${PULLER_ACCOUNT}-${account}`,
    namespace,
    rules: [
      { apiGroups: [''], resources: ['serviceaccounts'], resourceNames: [account], verbs: ['get', 'impersonate'] },
    ],
    to: subjectOf(identity),
  })
}
