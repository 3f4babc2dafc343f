import { groupOf, type KubeObject } from '../../contract/artifact/objects.ts'
import { isJsonObject, type Json, type JsonObject } from '../../contract/canonical-json.ts'
import { compareSchemas, type SchemaChange, text } from './schema-changes.ts'

/** True for a CustomResourceDefinition, whose versions and schemas `definitionChanges` compares. */
export function isDefinition(object: KubeObject | undefined): boolean {
  return object?.kind === 'CustomResourceDefinition' && groupOf(object.apiVersion) === 'apiextensions.k8s.io'
}

/** What changes for objects of a custom kind: its versions, which are served and stored, and their schemas. */
export function definitionChanges(
  before: KubeObject | undefined,
  after: KubeObject | undefined,
): readonly SchemaChange[] {
  if (before === undefined) return []
  const all = { version: '', path: '' }
  if (after === undefined)
    return [{ ...all, change: 'definition-removed', breaking: true, detail: 'every object of the kind goes with it' }]
  const [scopeBefore, scopeAfter] = [specOf(before).scope, specOf(after).scope]
  const scope: readonly SchemaChange[] =
    scopeBefore === scopeAfter
      ? []
      : [{ ...all, change: 'scope-changed', breaking: true, detail: `${text(scopeBefore)} → ${text(scopeAfter)}` }]
  const [old, now] = [versionsOf(before), versionsOf(after)]
  return [...scope, ...[...new Set([...old.keys(), ...now.keys()])].flatMap((name) => versionChanges(name, old, now))]
}

type Versions = ReadonlyMap<string, JsonObject>

function versionChanges(version: string, old: Versions, now: Versions): readonly SchemaChange[] {
  const [a, b] = [old.get(version), now.get(version)]
  const at = { version, path: '' }
  if (a === undefined)
    return [{ ...at, change: 'version-added', breaking: false }, ...storageChange(version, a, b, old)]
  if (b === undefined) return [{ ...at, change: 'version-removed', breaking: true }]
  const [served, serves] = [a.served === true, b.served === true]
  const schemas = compareSchemas(schemaOf(a), schemaOf(b)).map((change) => ({ version, ...change }))
  return [
    ...(served === serves
      ? []
      : [{ ...at, change: serves ? ('version-served' as const) : ('version-not-served' as const), breaking: served }]),
    ...storageChange(version, a, b, old),
    ...schemas,
  ]
}

function storageChange(
  version: string,
  a: JsonObject | undefined,
  b: JsonObject | undefined,
  old: Versions,
): readonly SchemaChange[] {
  if (a?.storage === true || b?.storage !== true) return []
  const from = [...old].find(([, { storage }]) => storage === true)?.[0]
  return [{ version, path: '', change: 'storage-moved', breaking: false, detail: `from ${from ?? '(none)'}` }]
}

/** The definition without what `definitionChanges` tells: what is left is compared like any other object. */
export function withoutSchemas(object: KubeObject, other: KubeObject): KubeObject {
  const spec = specOf(object)
  if (!Array.isArray(spec.versions)) return object
  const there = versionsOf(other)
  const versions = spec.versions.flatMap((found: Json): readonly Json[] => {
    if (!isJsonObject(found)) return [found]
    const { schema: _schema, served: _served, storage: _storage, ...rest } = found
    return typeof found.name === 'string' && !there.has(found.name) ? [] : [rest]
  })
  const { scope: _scope, ...rest } = spec
  return { ...object, spec: { ...rest, versions } }
}

function specOf({ spec }: KubeObject): JsonObject {
  return isJsonObject(spec) ? spec : {}
}

function versionsOf(object: KubeObject): Versions {
  const { versions } = specOf(object)
  const found = Array.isArray(versions) ? versions.filter((version: Json) => isJsonObject(version)) : []
  return new Map(
    found.flatMap((version: JsonObject) => (typeof version.name === 'string' ? [[version.name, version]] : [])),
  )
}

function schemaOf({ schema }: JsonObject): Json | undefined {
  return isJsonObject(schema) ? schema.openAPIV3Schema : undefined
}
