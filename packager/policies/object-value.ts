import type { KubeObject } from '../../contract/artifact/objects.ts'
import { isJsonObject, type Json, type JsonObject } from '../../contract/canonical-json.ts'
import { jsonMap, jsonValue } from '../../contract/cel/json-value.ts'
import { CelMap, isList, type MapKey, Unknown, type Value } from '../../contract/cel/values.ts'
import { ORDER_ANNOTATION } from '../../contract/ordering/annotations.ts'
import { type Field, type Shape, shapeNamed, shapeOfKind } from './object-shapes.ts'

type Hidden = Map<MapKey, { readonly unknown: Unknown; readonly present: boolean }>

const OPEN = new Unknown('a field that is not written and the API server may fill in')

/** What the API server writes into the metadata of everything. */
const SERVER_METADATA = ['uid', 'creationTimestamp', 'generation', 'managedFields', 'resourceVersion', 'selfLink']
const PART_OF = 'applyset.kubernetes.io/part-of'
const CLAIM = 'waybill.dev/claim'
/** On Jobs that run once for each release. */
const RELEASE = 'waybill.dev/release'

/** Fields of whole kinds that defaulting does not show: what a create fills in on its way, also the API server's own plug-ins. */
const FILLED_ON_CREATE: Readonly<Record<string, readonly string[]>> = {
  'v1 Namespace': ['spec'],
  'v1 PersistentVolumeClaim': ['spec.storageClassName', 'metadata.finalizers'],
  'v1 PersistentVolume': ['metadata.finalizers'],
  // Service accounts, priorities, tolerations and LimitRanges.
  'v1 Pod': [
    'spec.serviceAccountName spec.serviceAccount spec.automountServiceAccountToken spec.imagePullSecrets spec.volumes',
    'spec.tolerations spec.priority spec.preemptionPolicy spec.nodeSelector spec.overhead spec.runtimeClassName',
    'spec.containers[].volumeMounts spec.containers[].resources.limits spec.containers[].resources.requests',
    'spec.initContainers[].volumeMounts spec.initContainers[].resources.limits spec.initContainers[].resources.requests',
  ],
  'v1 ReplicationController': ['metadata.labels', 'spec.selector'],
  'v1 Service': [
    'spec.clusterIP spec.clusterIPs spec.ipFamilies spec.ipFamilyPolicy spec.healthCheckNodePort spec.ports[].nodePort',
  ],
  'apps/v1 DaemonSet': ['metadata.annotations'],
  'autoscaling/v1 HorizontalPodAutoscaler': ['metadata.annotations'],
  'batch/v1 Job': ['metadata.labels spec.selector spec.template.metadata.labels'],
  'networking.k8s.io/v1 Ingress': ['spec.ingressClassName'],
}

/** Whose words an object's value speaks: what the puller will send, or what stands in a cluster already, such as parameters. */
export type ValueOptions = {
  /** As the puller sends it: with its label and its annotation, and in the Delivery's namespace where it names none. */
  readonly delivered: boolean
  readonly namespaced: boolean | undefined
  /** True for a kind of Kubernetes' own; others are taken as they are written. */
  readonly builtin: boolean
}

/**
 * An object as admission sees it when it is created: what the API server drops is gone, what it always writes is there, and what it
 * may fill in is unknown. `defaults` of a custom kind were put in before.
 */
export function objectValue(object: KubeObject, options: ValueOptions): CelMap {
  const { apiVersion, kind } = object
  const shape = shapeOfKind(apiVersion, kind)
  const raw = shape === undefined ? undefined : new Map([...shape].filter(([field]) => field !== 'status'))
  const value = raw === undefined ? jsonMap(object, options.builtin ? OPEN : undefined) : mapOfShape(object, raw, '')
  const entries = new Map(value.entries)
  const hidden: Hidden = new Map(value.hidden)
  if (shape?.has('status') === true || options.builtin) {
    entries.delete('status')
    hidden.set('status', { unknown: new Unknown('status, which the API server writes'), present: false })
  }
  for (const key of ['apiVersion', 'kind'] as const) entries.set(key, object[key])
  entries.set('metadata', metadataValue(object, options))
  const whole = new CelMap(entries, hidden, value.open)
  const filled = FILLED_ON_CREATE[`${apiVersion} ${kind}`]?.flatMap((paths) => paths.split(' ')) ?? []
  return filled.reduce((map, path) => hide(map, path.split('.'), path), whole)
}

function metadataValue({ metadata, kind, apiVersion }: KubeObject, options: ValueOptions): CelMap {
  const { entries, hidden: before } = mapOfShape(metadata, shapeNamed('meta/v1.ObjectMeta'), 'metadata')
  const hidden: Hidden = new Map(before)
  const all = new Map(entries)
  for (const field of SERVER_METADATA) {
    all.delete(field)
    hidden.set(field, { unknown: new Unknown(`metadata.${field}, which the API server writes`), present: false })
  }
  if (options.namespaced !== true && options.namespaced !== undefined) all.delete('namespace')
  else if (options.delivered && !all.has('namespace')) {
    const unknown = new Unknown('metadata.namespace, which is the namespace of the Delivery where none is written')
    hidden.set('namespace', { unknown, present: options.namespaced === true })
  }
  if (options.delivered) {
    all.set('labels', withUnknown(all.get('labels'), PART_OF))
    for (const key of isRunOnce({ metadata }) ? [CLAIM, RELEASE] : [CLAIM])
      all.set('annotations', withUnknown(all.get('annotations'), key))
  }
  if (apiVersion === 'v1' && kind === 'Namespace') {
    const labels = all.get('labels')
    const before = labels instanceof CelMap ? labels : new CelMap(new Map())
    all.set('labels', new CelMap(new Map([...before.entries, [NAME_LABEL, metadata.name]]), before.hidden))
  }
  return new CelMap(all, hidden)
}

function isRunOnce({ metadata: { annotations } }: Pick<KubeObject, 'metadata'>): boolean {
  return isJsonObject(annotations) && annotations[ORDER_ANNOTATION.run] !== undefined
}

export const NAME_LABEL = 'kubernetes.io/metadata.name'

/** A map of text with a key that the puller adds. */
function withUnknown(value: Value | undefined, key: string): CelMap {
  const before = value instanceof CelMap ? value : new CelMap(new Map())
  const unknown = new Unknown(`${key}, which the puller writes`)
  const entries = new Map(before.entries)
  entries.delete(key)
  return new CelMap(entries, new Map([...(before.hidden ?? []), [key, { unknown, present: true }]]))
}

/** The same value with what is at a path unknown, unless it is written out; a list or a map may still grow. `[]` is each item. */
function hide(map: CelMap, [step = '', ...rest]: readonly string[], path: string): CelMap {
  const name = step.replace('[]', '')
  const inner = map.entries.get(name)
  const unknown = new Unknown(`${path}, which the API server may fill in`)
  const put = (value: Value) => new CelMap(new Map([...map.entries, [name, value]]), map.hidden, map.open)
  const within = (value: Value) => (value instanceof CelMap ? hide(value, rest, path) : value)
  if (rest.length > 0) return inner === undefined ? map : put(isList(inner) ? inner.map(within) : within(inner))
  if (inner instanceof CelMap) return put(new CelMap(inner.entries, inner.hidden, unknown))
  if (inner !== undefined && inner !== null && inner !== '' && !isList(inner)) return map
  const entries = new Map(map.entries)
  entries.delete(name)
  return new CelMap(entries, new Map([...(map.hidden ?? []), [name, { unknown, present: false }]]), map.open)
}

function mapOfShape(object: JsonObject, shape: Shape, path: string): CelMap {
  const entries = new Map<MapKey, Value>()
  const hidden: Hidden = new Map()
  for (const [name, json] of Object.entries(object))
    if (!shape.has(name) && json !== undefined) entries.set(name, jsonValue(json))
  for (const [name, field] of shape) {
    const at = path === '' ? name : `${path}.${name}`
    const json = object[name]
    if (field.always && isEmpty(json)) {
      const unknown = new Unknown(`${at}, which is empty and the API server may write as null`)
      hidden.set(name, { unknown, present: true })
      continue
    }
    const value =
      json === undefined || json === null || (field.dropped && isZero(json))
        ? absent(field, at)
        : fieldValue(json, field, at)
    if (value instanceof Unknown) hidden.set(name, { unknown: value, present: json !== undefined && !field.dropped })
    else if (value !== undefined) entries.set(name, value)
  }
  return new CelMap(entries, hidden)
}

function isZero(json: Json): boolean {
  if (json === false || json === 0 || json === '') return true
  return Array.isArray(json) ? json.length === 0 : isJsonObject(json) && Object.keys(json).length === 0
}

function isEmpty(json: Json | undefined): boolean {
  return Array.isArray(json) && json.length === 0
}

/** What stands where nothing was written. */
function absent({ form, shape, filled, always }: Field, path: string): Value | Unknown | undefined {
  if (filled) return new Unknown(`${path}, which is not written and the API server may fill in`)
  if (!always) return undefined
  if (form === 'o' && shape !== undefined) return mapOfShape({}, shapeNamed(shape), path)
  return ZERO.get(form) ?? null
}

const ZERO: ReadonlyMap<string, Value> = new Map<string, Value>([
  ['s', ''],
  ['i', 0n],
  ['b', false],
  ['f', 0],
  ['q', '0'],
])

function fieldValue(json: Json, field: Field, path: string): Value | Unknown {
  const { form, shape } = field
  const [head, rest] = [form[0], form.slice(1)]
  const inner: Field = { form: rest, shape, filled: false, dropped: false, always: true }
  if (head === 'l' && Array.isArray(json)) {
    const items: Value[] = []
    for (const [i, one] of json.entries()) {
      const value = fieldValue(one, inner, `${path}[${i}]`)
      if (value instanceof Unknown) return value
      items.push(value)
    }
    return items
  }
  if (head === 'm' && isJsonObject(json)) {
    const entries = new Map<MapKey, Value>()
    const hidden: Hidden = new Map()
    for (const [key, one] of Object.entries(json)) {
      const value = fieldValue(one ?? null, inner, `${path}.${key}`)
      if (value instanceof Unknown) hidden.set(key, { unknown: value, present: true })
      else entries.set(key, value)
    }
    return new CelMap(entries, hidden)
  }
  if (head === 'o' && shape !== undefined && isJsonObject(json)) return mapOfShape(json, shapeNamed(shape), path)
  if (head === 'q')
    return isCanonicalQuantity(json)
      ? json
      : new Unknown(`${path}, a quantity that the API server writes in another way`)
  if (head === 't')
    return isCanonicalTime(json) ? json : new Unknown(`${path}, a time that the API server may write in another way`)
  return head === 'f' && typeof json === 'number' ? json : jsonValue(json)
}

/** True where ParseQuantity and String of apimachinery give back the same text. */
function isCanonicalQuantity(json: Json): json is string {
  if (json === '0') return true
  const match = typeof json === 'string' ? /^-?([1-9]\d{0,14})([numkMGTPE]|[KMGTPE]i)?$/.exec(json) : null
  if (match === null) return false
  const [, digits = '', suffix = ''] = match
  return suffix.endsWith('i') ? BigInt(digits) % 1024n !== 0n : !digits.endsWith('000')
}

function isCanonicalTime(json: Json): json is string {
  return typeof json === 'string' && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(json)
}
