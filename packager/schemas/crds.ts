import { groupOf } from '../../contract/artifact/objects.ts'
import { isJsonObject, type Json, type JsonObject } from '../../contract/canonical-json.ts'
import type { Fault } from '../../contract/errors.ts'
import { type FieldPath, fieldText } from '../../contract/schema/validate.ts'
import { faultAt, type RenderedObject } from '../render/rendered.ts'
import { structuralFlaws } from './structural.ts'

/** One version of a custom kind, as its CRD says it. */
export type CustomVersion = {
  readonly version: string
  readonly served: boolean
  readonly deprecated: boolean
  /** Its status is apart: a create drops it. */
  readonly hasStatus: boolean
  /** Where its schema stands in the CRD. */
  readonly schemaPath: FieldPath
  /** Undefined where it is not one to check by; the CRD's faults say why. */
  readonly schema?: JsonObject
}

/** A custom kind, and where its CRD stands. */
export type CustomKind = { readonly versions: readonly CustomVersion[]; readonly crd: RenderedObject }

/** Custom kinds by `group/Kind`. */
export type CustomKinds = ReadonlyMap<string, CustomKind>

export function customKey(apiVersion: string, kind: string): string {
  return `${groupOf(apiVersion)}/${kind}`
}

/** True for a CustomResourceDefinition of the one version that the API server still takes. */
export function isCrd({ object }: RenderedObject): boolean {
  return object.apiVersion === 'apiextensions.k8s.io/v1' && object.kind === 'CustomResourceDefinition'
}

/** The kinds that CRDs define; the first of two with one name counts. What is malformed is passed over: its faults say so. */
export function customKindsOf(crds: readonly RenderedObject[]): CustomKinds {
  const found = new Map<string, CustomKind>()
  for (const crd of crds) {
    const spec = specOf(crd)
    const { group, names } = spec
    const kind = isJsonObject(names) ? names.kind : undefined
    if (typeof group !== 'string' || typeof kind !== 'string' || found.has(`${group}/${kind}`)) continue
    const versions = versionsOf(spec).flatMap(customVersion)
    found.set(`${group}/${kind}`, { versions, crd })
  }
  return found
}

/** What the API server would not take in a CRD, beyond what its own schema says. */
export function crdFaults(crd: RenderedObject): readonly Fault[] {
  const spec = specOf(crd)
  const invalid = (path: FieldPath, message: string) =>
    faultAt(crd, 'CRD_INVALID', `${fieldText(path)}: ${message}`, path)
  const versions = versionsOf(spec)
  const stored = versions.filter(({ value }) => value.storage === true).length
  const faults =
    stored === 1 ? [] : [invalid(['spec', 'versions'], `exactly one version is stored; ${stored} say storage: true`)]
  const plural = isJsonObject(spec.names) ? spec.names.plural : undefined
  const { metadata } = crd.object
  if (isJsonObject(metadata) && metadata.name !== `${plural}.${spec.group}`)
    faults.push(invalid(['metadata', 'name'], `must be spec.names.plural.spec.group: ${plural}.${spec.group}`))
  if (spec.preserveUnknownFields === true)
    faults.push(
      invalid(['spec', 'preserveUnknownFields'], 'must not be true; x-kubernetes-preserve-unknown-fields says where'),
    )
  for (const { value, path } of versions) {
    const schema = schemaOf(value)
    const at = schemaPathOf(path)
    if (schema === undefined) faults.push(invalid(at, 'required: every version has a schema'))
    else for (const flaw of structuralFlaws(schema)) faults.push(invalid([...at, ...flaw.path], flaw.message))
  }
  return faults
}

function customVersion({ value, path }: VersionAt): readonly CustomVersion[] {
  if (typeof value.name !== 'string') return []
  const schema = schemaOf(value)
  const { subresources } = value
  const usable = schema !== undefined && structuralFlaws(schema).length === 0
  return [
    {
      version: value.name,
      served: value.served === true,
      deprecated: value.deprecated === true,
      hasStatus: isJsonObject(subresources) && isJsonObject(subresources.status),
      schemaPath: schemaPathOf(path),
      ...(usable ? { schema } : {}),
    },
  ]
}

function specOf({ object }: RenderedObject): JsonObject {
  return isJsonObject(object.spec) ? object.spec : {}
}

type VersionAt = { readonly value: JsonObject; readonly path: FieldPath }
const schemaPathOf = (version: FieldPath): FieldPath => [...version, 'schema', 'openAPIV3Schema']

function versionsOf(spec: JsonObject): readonly VersionAt[] {
  const list: Json | undefined = spec.versions
  if (!Array.isArray(list)) return []
  return list.flatMap((value: Json, i) => (isJsonObject(value) ? [{ value, path: ['spec', 'versions', i] }] : []))
}

function schemaOf({ schema }: JsonObject): JsonObject | undefined {
  return isJsonObject(schema) && isJsonObject(schema.openAPIV3Schema) ? schema.openAPIV3Schema : undefined
}
