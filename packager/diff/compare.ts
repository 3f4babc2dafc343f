import { compareBytes } from '../../contract/artifact/artifact.ts'
import { type KubeObject, objectId, objectKey, objectName } from '../../contract/artifact/objects.ts'
import { splitSecret } from '../../contract/artifact/secret-values.ts'
import { isJsonObject, type Json, type JsonObject } from '../../contract/canonical-json.ts'
import { compareFields, type FieldChange, isEqual } from './compare-fields.ts'
import { definitionChanges, isDefinition, withoutSchemas } from './definition-changes.ts'
import { type Path, pathText } from './field-path.ts'
import { type ImageChange, imageChanges } from './image-changes.ts'
import type { SchemaChange } from './schema-changes.ts'

/** One environment's objects, as a release or a rendered commit has them. */
export type Tree = { readonly treeDigest: string; readonly objects: readonly KubeObject[] }

/** What is different about one object. Without any value of a Secret. */
export type ObjectDiff = {
  /** As `objectName` writes it. */
  readonly object: string
  /** Of the later state. */
  readonly apiVersion: string
  readonly kind: string
  readonly namespace?: string
  readonly name: string
  readonly change: 'added' | 'removed' | 'changed'
  /** The name before, where kustomize made the name out of the content. */
  readonly renamedFrom?: string
  /** Of an object that changed: at most 1,000. */
  readonly fields: readonly FieldChange[]
  readonly fieldsLeftOut?: number
  /** Of a CustomResourceDefinition, likewise. */
  readonly schema?: readonly SchemaChange[]
  readonly schemaLeftOut?: number
}

export type Counts = { readonly added: number; readonly removed: number; readonly changed: number }

/** What is different about one environment. `added` and `removed`: only one of the two has it. */
export type EnvironmentDiff = {
  readonly status: 'same' | 'changed' | 'added' | 'removed'
  readonly treeDigest: { readonly before?: string; readonly after?: string }
  readonly counts: Counts
  readonly images: readonly ImageChange[]
  /** Sorted by kind, namespace and name. */
  readonly objects: readonly ObjectDiff[]
}

const CHANGES_MAX = 1000

/** Compares two states of an environment, object by object; at least one of them is there. Pure. */
export function compareTrees(before: Tree | undefined, after: Tree | undefined): EnvironmentDiff {
  const treeDigest = {
    ...(before !== undefined && { before: before.treeDigest }),
    ...(after !== undefined && { after: after.treeDigest }),
  }
  if (before?.treeDigest === after?.treeDigest)
    return { status: 'same', treeDigest, counts: countsOf([]), images: [], objects: [] }
  const pairs = pairUp(before?.objects ?? [], after?.objects ?? [])
  const objects = pairs.map(compareObject)
  return {
    status: before === undefined ? 'added' : after === undefined ? 'removed' : 'changed',
    treeDigest,
    counts: countsOf(objects),
    images: imageChanges(pairs.map((pair) => ({ object: nameOf(pair), ...pair }))),
    objects,
  }
}

/** Two states of what is one object; the same in both is left out. */
type Pair = { readonly before?: KubeObject; readonly after?: KubeObject }

function pairUp(before: readonly KubeObject[], after: readonly KubeObject[]): readonly Pair[] {
  const [old, now] = [byKey(before), byKey(after)]
  const both = [...old].flatMap(([key, object]) => {
    const other = now.get(key)
    return other === undefined || isEqual(object, other) ? [] : [{ before: object, after: other }]
  })
  const removed = [...old].flatMap(([key, object]) => (now.has(key) ? [] : [object]))
  const added = [...now].flatMap(([key, object]) => (old.has(key) ? [] : [object]))
  return [...both, ...pairRenamed(removed, added)].sort((a, b) => compareBytes(sortKey(a), sortKey(b)))
}

// kustomize 5, api/hasher: ten characters of an alphabet of its own.
const HASHED = /^(.+)-[2456789bcdfghkmt]{10}$/

/** What a generator names after its content is removed and added with each change; to a person it is one object. */
function pairRenamed(removed: readonly KubeObject[], added: readonly KubeObject[]): readonly Pair[] {
  const stem = (object: KubeObject) => {
    const found = HASHED.exec(object.metadata.name)?.[1]
    return found === undefined ? undefined : objectKey({ ...objectId(object), name: found })
  }
  const group = (objects: readonly KubeObject[]) => Map.groupBy(objects, stem)
  const [gone, come] = [group(removed), group(added)]
  const paired = [...gone].flatMap(([key, [before, another]]) => {
    const [after, other] = come.get(key) ?? []
    const one = key !== undefined && another === undefined && other === undefined
    return one && before !== undefined && after !== undefined ? [{ before, after }] : []
  })
  const done = new Set<KubeObject>(paired.flatMap(({ before, after }) => [before, after]))
  return [
    ...paired,
    ...removed.filter((object) => !done.has(object)).map((object) => ({ before: object })),
    ...added.filter((object) => !done.has(object)).map((object) => ({ after: object })),
  ]
}

function compareObject(pair: Pair): ObjectDiff {
  const { before, after } = pair
  const object = pair.after ?? pair.before
  if (object === undefined) throw new TypeError('a pair of which there is none')
  const { group: _group, namespace, kind, name } = objectId(object)
  const told = before === undefined || after === undefined ? [] : fieldsOf(before, after)
  const schemas = isDefinition(after) || isDefinition(before) ? definitionChanges(before, after) : undefined
  const renamed = before !== undefined && after !== undefined && before.metadata.name !== name
  const all = renamed ? told.filter(({ path }) => path !== 'metadata.name') : told
  return {
    object: nameOf(pair),
    apiVersion: object.apiVersion,
    kind,
    ...(namespace !== '' && { namespace }),
    name,
    change: before === undefined ? 'added' : after === undefined ? 'removed' : 'changed',
    ...(renamed && { renamedFrom: before.metadata.name }),
    fields: all.slice(0, CHANGES_MAX),
    ...(all.length > CHANGES_MAX && { fieldsLeftOut: all.length - CHANGES_MAX }),
    ...(schemas !== undefined && { schema: schemas.slice(0, CHANGES_MAX) }),
    ...(schemas !== undefined && schemas.length > CHANGES_MAX && { schemaLeftOut: schemas.length - CHANGES_MAX }),
  }
}

function fieldsOf(before: KubeObject, after: KubeObject): readonly FieldChange[] {
  const [old, now] = [splitSecret(before), splitSecret(after)]
  const schemas = isDefinition(before) && isDefinition(after)
  const [left, right] = schemas
    ? [withoutSchemas(old.shown, now.shown), withoutSchemas(now.shown, old.shown)]
    : [old.shown, now.shown]
  const hidden = [...new Set([...Object.keys(old.hidden), ...Object.keys(now.hidden)])].flatMap((name) =>
    hiddenChanges([name], old.hidden[name], now.hidden[name]),
  )
  return [...compareFields(left, right), ...hidden]
}

/** Names of keys alone; and what cannot be a key of a Secret is a value in the wrong place, and no name. */
function hiddenChanges(path: Path, before: Json | undefined, after: Json | undefined): readonly FieldChange[] {
  if (isEqual(before, after)) return []
  const maps = [before, after].filter((value) => value !== undefined)
  if (path.length === 1 && maps.every((value) => isKeyed(value))) {
    const [old, now] = [isJsonObject(before) ? before : {}, isJsonObject(after) ? after : {}]
    const names = [...new Set([...Object.keys(old), ...Object.keys(now)])]
    const of = (map: JsonObject, name: string) => (Object.hasOwn(map, name) ? map[name] : undefined)
    if (names.length > 0) return names.flatMap((name) => hiddenChanges([...path, name], of(old, name), of(now, name)))
  }
  const change = before === undefined ? 'added' : after === undefined ? 'removed' : 'changed'
  return [{ path: pathText(path), change, hidden: true }]
}

function isKeyed(value: Json): boolean {
  return isJsonObject(value) && Object.keys(value).every((key) => /^[-._a-zA-Z0-9]{1,253}$/.test(key))
}

function nameOf({ before, after }: Pair): string {
  const object = after ?? before
  return object === undefined ? '' : objectName(objectId(object))
}

function sortKey({ before, after }: Pair): string {
  const object = after ?? before
  if (object === undefined) return ''
  const { group, kind, namespace, name } = objectId(object)
  return [kind, group, namespace, name].join('\0')
}

function byKey(objects: readonly KubeObject[]): ReadonlyMap<string, KubeObject> {
  return new Map(objects.map((object) => [objectKey(objectId(object)), object]))
}

function countsOf(objects: readonly ObjectDiff[]): Counts {
  const count = (change: ObjectDiff['change']) => objects.filter((object) => object.change === change).length
  return { added: count('added'), removed: count('removed'), changed: count('changed') }
}
