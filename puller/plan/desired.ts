import { createHash } from 'node:crypto'
import { type KubeObject, type ObjectId, objectId, objectKey, objectName } from '../../contract/artifact/objects.ts'
import { isJsonObject, type Json, type JsonObject } from '../../contract/canonical-json.ts'
import { readDirectives } from '../../contract/ordering/annotations.ts'
import type { Resource } from '../cluster/cluster-port.ts'
import { type CrdVersion, crdVersions } from '../cluster/resources.ts'
import { ANNOTATION, GROUP, LABELS } from '../kinds.ts'
import { claimOf } from './claim.ts'
import type { PlanContext } from './plan-context.ts'
import { stageOf } from './stages.ts'

/** An object as it is to be applied: in its namespace, with the ApplySet label and the claim on it. */
export type DesiredObject = {
  readonly object: KubeObject
  /** As the release has it, where fields of it are left to others. */
  readonly declared?: KubeObject
  readonly id: ObjectId
  /** `objectKey(id)` */
  readonly key: string
  /** `objectName(id)`, for people. */
  readonly name: string
  /** How it is addressed; from the CRD in the same set where the server does not know it yet; absent: unknown kind. */
  readonly resource: Resource | undefined
  /** The CRD of the same set that serves its kind, where there is one. */
  readonly crd: CrdVersion | undefined
  /** True where the server does not know the kind, and only a CRD of the same set will make it known. */
  readonly kindInSet: boolean
  /** Index into the stages (puller/plan/stages.ts). */
  readonly stage: number
  /** A Job that is to run once for each release. */
  readonly runsOnce: boolean
}

/** By `${apiVersion} ${kind}`: what discovery said, undefined for what the server does not know. */
export type ResourceMap = ReadonlyMap<string, Resource | undefined>

/**
 * Namespaces defaulted to the Delivery's for namespaced kinds (and taken off cluster-scoped ones), ApplySet label and
 * claim added, each in its stage; in the order given. Pure.
 */
export function prepare(
  objects: readonly KubeObject[],
  context: PlanContext,
  resources: ResourceMap,
): readonly DesiredObject[] {
  const crds = crdVersions(objects)
  return objects.map((object) => {
    const type = `${object.apiVersion} ${object.kind}`
    const served = crds.get(type)
    const crd = served?.served === true ? served : undefined
    const known = resources.get(type)
    const resource = known ?? crd?.resource
    const placed = inNamespace(object, resource, context.delivery.namespace)
    const id = objectId(placed)
    const key = objectKey(id)
    const runsOnce = readDirectives(placed).directives.run !== undefined
    const claim = { [ANNOTATION.claim]: claimOf(context.claimKey, context.delivery.uid, key) }
    const said = runsOnce ? { ...claim, [ANNOTATION.release]: context.digest } : claim
    return {
      object: marked(placed, applySetId(context.delivery), said),
      id,
      key,
      name: objectName(id),
      resource,
      crd,
      kindInSet: known === undefined && crd !== undefined,
      stage: stageOf(id),
      runsOnce,
    }
  })
}

/**
 * KEP-3659: `applyset-<base64url(sha256("<name>.<namespace>.<kind>.<group>"))>-v1`. Selects members; anybody can compute it
 * and set it, so it proves nothing.
 */
export function applySetId({ name, namespace }: { readonly name: string; readonly namespace: string }): string {
  const hash = createHash('sha256').update(`${name}.${namespace}.Delivery.${GROUP}`).digest('base64url')
  return `applyset-${hash}-v1`
}

function inNamespace(object: KubeObject, resource: Resource | undefined, fallback: string): KubeObject {
  if (resource === undefined) return object
  const { namespace, ...metadata } = object.metadata
  const placed = resource.namespaced ? { ...metadata, namespace: namespace ?? fallback } : metadata
  return { ...object, metadata: { ...placed, name: object.metadata.name } }
}

function marked(object: KubeObject, applySet: string, said: Readonly<Record<string, string>>): KubeObject {
  const { metadata } = object
  const labels = { ...plain(metadata.labels), [LABELS.partOf]: applySet }
  const annotations = { ...plain(metadata.annotations), ...said }
  return { ...object, metadata: { ...metadata, labels, annotations } }
}

function plain(value: Json | undefined): JsonObject {
  return isJsonObject(value) ? value : {}
}
