import { WaybillError } from '../contract/errors.ts'
import type { KubeObject, ObjectId } from '../contract/objects.ts'
import type { Resource } from './cluster-port.ts'
import type { PlanContext } from './plan-context.ts'

/** An object as it is to be applied: in its namespace, with the ApplySet label and the claim on it. */
export type DesiredObject = {
  readonly object: KubeObject
  readonly id: ObjectId
  /** `objectKey(id)` */
  readonly key: string
  /** `objectName(id)`, for people. */
  readonly name: string
  /** How it is addressed; from the CRD in the same set where the server does not know it yet; absent: unknown kind. */
  readonly resource: Resource | undefined
  /** True where only a CRD of the same set makes the kind known. */
  readonly kindInSet: boolean
  /** Index into the stages (puller/stages.ts). */
  readonly stage: number
}

/** By `${apiVersion} ${kind}`: what discovery said, undefined for what the server does not know. */
export type ResourceMap = ReadonlyMap<string, Resource | undefined>

/**
 * Namespaces defaulted to the Delivery's for namespaced kinds (and taken off cluster-scoped ones), ApplySet label and
 * claim added, each in its stage; in the order given. Pure.
 */
export function prepare(
  _objects: readonly KubeObject[],
  _context: PlanContext,
  _resources: ResourceMap,
): readonly DesiredObject[] {
  throw new WaybillError('INTERNAL', 'not yet')
}
