import { groupOf } from '../../contract/artifact/objects.ts'
import { isJsonObject } from '../../contract/canonical-json.ts'
import type { Fault } from '../../contract/errors.ts'
import { faultAt, type RenderedObject } from '../render/rendered.ts'

/** Kinds that only the puller writes. */
const KINDS = new Set(['DeliveryRecord', 'DeliveryInventory'])
/** What the API server sets; an apply that carries it is refused, or creates with a made-up version. */
const SERVER_FIELDS = ['managedFields', 'uid', 'resourceVersion', 'selfLink', 'generation', 'deletionTimestamp']
const LABELS = ['applyset.kubernetes.io/part-of', 'applyset.kubernetes.io/id']
/** What the puller, or the attribution policy, writes on delivered objects; and by what a person opens one that the guard keeps. */
export const RESERVED_ANNOTATIONS: readonly string[] = [
  'waybill.dev/claim',
  'waybill.dev/release',
  'waybill.dev/changed-by',
  'waybill.dev/break-glass',
]

/** Nothing that Waybill or the API server sets is in the objects: the puller would overwrite it, or refuse it. */
export function checkReserved(objects: readonly RenderedObject[]): readonly Fault[] {
  return objects.flatMap((rendered) => [...checkKind(rendered), ...checkMetadata(rendered)])
}

function checkKind(rendered: RenderedObject): readonly Fault[] {
  const { apiVersion, kind } = rendered.object
  const ours = typeof apiVersion === 'string' && groupOf(apiVersion) === 'waybill.dev'
  if (!ours || typeof kind !== 'string' || !KINDS.has(kind)) return []
  return [faultAt(rendered, 'OBJECT_RESERVED', `only the puller writes a ${kind}`, ['kind'])]
}

function checkMetadata(rendered: RenderedObject): readonly Fault[] {
  const { metadata } = rendered.object
  if (!isJsonObject(metadata)) return []
  const found = [
    ...SERVER_FIELDS.filter((field) => metadata[field] !== undefined).map((field) => ['metadata', field]),
    ...LABELS.filter((label) => isJsonObject(metadata.labels) && metadata.labels[label] !== undefined).map((label) => [
      'metadata',
      'labels',
      label,
    ]),
    ...RESERVED_ANNOTATIONS.filter(
      (name) => isJsonObject(metadata.annotations) && metadata.annotations[name] !== undefined,
    ).map((name) => ['metadata', 'annotations', name]),
  ]
  return found.map((path) => faultAt(rendered, 'OBJECT_RESERVED', `${path.join('.')} is not to be set`, path))
}
