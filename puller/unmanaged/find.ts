import { type ObjectId, objectKey, objectName } from '../../contract/artifact/objects.ts'
import { canonicalJson, isJsonObject, type Json, type JsonObject } from '../../contract/canonical-json.ts'
import { type Digest, digestOf } from '../../contract/digest.ts'
import { stageOf } from '../../contract/ordering/stages.ts'
import { GROUP, type InventoryEntry } from '../kinds.ts'
import { matchesObject, type ObjectPattern } from '../plan/object-pattern.ts'

/** An object in a namespace, by its metadata alone. */
export type Seen = {
  readonly id: ObjectId
  readonly uid: string
  readonly path: string
  readonly resourceVersion: string
  readonly isOwned: boolean
  readonly annotations: readonly string[]
  /** Annotated so that it is never deleted by us. */
  readonly isKept: boolean
  /** What tells that a Delivery took it, at that time. */
  readonly mark: string
}

/** What is no Delivery's, sorted by name. */
export type Unmanaged = {
  readonly objects: readonly Seen[]
  /** Of exactly these objects: what a person confirms. */
  readonly digest: Digest
}

/** What may stay, besides what Deliveries have in their inventories. */
export type Known = {
  /** Of every living Delivery, by `objectKey`. */
  readonly inventories: ReadonlyMap<string, Pick<InventoryEntry, 'uid'>>
  /** What the Deliveries of a namespace need there to work. */
  readonly needed: readonly ObjectPattern[]
  readonly ignore: readonly ObjectPattern[]
}

/** Made by the cluster itself, in every namespace or beside what people make. */
const CLUSTER_MADE: readonly ObjectPattern[] = [
  { kind: 'ConfigMap', name: 'kube-root-ca.crt' },
  { kind: 'ServiceAccount', name: 'default' },
  { kind: 'Endpoints' },
  { kind: 'EndpointSlice.discovery.k8s.io' },
  { kind: 'Event' },
  { kind: 'Event.events.k8s.io' },
  { kind: 'Lease.coordination.k8s.io' },
]

/** True for kinds of which nothing is ever reported, so that nobody need look. */
export function isLeftOut({ group, kind }: Pick<ObjectId, 'group' | 'kind'>): boolean {
  const pattern = group === '' ? kind : `${kind}.${group}`
  return group === GROUP || CLUSTER_MADE.some((one) => one.kind === pattern && one.name === undefined)
}

/** On the tokens that the cluster makes for a service account. */
const TOKEN_OF = 'kubernetes.io/service-account.name'

/**
 * What runs in a namespace and no Delivery owns: what belongs to another object goes with that one, and what the cluster makes itself is
 * left out. Pure.
 */
export function findUnmanaged(seen: readonly Seen[], { inventories, needed, ignore }: Known): Unmanaged {
  const left = [...CLUSTER_MADE, ...needed, ...ignore]
  const found = seen.filter(({ id, uid, isOwned, annotations }) => {
    const entry = inventories.get(objectKey(id))
    const isManaged = entry !== undefined && (entry.uid === undefined || entry.uid === uid)
    const isToken = id.kind === 'Secret' && id.group === '' && annotations.includes(TOKEN_OF)
    return !isManaged && !isOwned && !isToken && id.group !== GROUP && !left.some((one) => matchesObject(one, id))
  })
  // One object may be served by more than one group.
  const objects = [...new Map(found.map((one) => [one.uid, one])).values()].sort((a, b) =>
    objectName(a.id) < objectName(b.id) ? -1 : 1,
  )
  return { objects, digest: digestOf(canonicalJson(objects.map(({ id, uid }) => [objectName(id), uid]))) }
}

/** What is deleted together, in the order of deletion. Pure. */
export function inStages(objects: readonly Seen[]): readonly (readonly Seen[])[] {
  const stages = new Map<number, Seen[]>()
  for (const one of objects) stages.set(stageOf(one.id), [...(stages.get(stageOf(one.id)) ?? []), one])
  return [...stages].sort(([a], [b]) => b - a).map(([, stage]) => stage)
}

/** What the Deliveries among these objects need in their namespaces: accounts and the rights that `tenant` gave them, secrets that they name. Pure. */
export function neededBy(deliveries: readonly JsonObject[]): readonly ObjectPattern[] {
  return deliveries.flatMap(({ metadata, spec }) => {
    const namespace = isJsonObject(metadata) ? text(metadata.namespace) : undefined
    if (namespace === undefined || !isJsonObject(spec)) return []
    const account = text(spec.serviceAccountName) ?? 'waybill'
    const { pullSecret, caSecret } = isJsonObject(spec.source) ? spec.source : ({} satisfies JsonObject)
    const notifications = Array.isArray(spec.notifications) ? spec.notifications.filter(isJsonObject) : []
    const secrets = [pullSecret, caSecret, ...notifications.map(({ secret }) => secret)]
    return [
      { kind: 'ServiceAccount', namespace, name: account },
      ...['Role', 'RoleBinding'].flatMap((kind) =>
        [account, `waybill-puller-${account}`].map((name) => ({
          kind: `${kind}.rbac.authorization.k8s.io`,
          namespace,
          name,
        })),
      ),
      ...secrets.flatMap((one) => {
        const name = isJsonObject(one) ? text(one.name) : undefined
        return name === undefined ? [] : [{ kind: 'Secret', namespace, name }]
      }),
    ]
  })
}

function text(value: Json | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined
}
