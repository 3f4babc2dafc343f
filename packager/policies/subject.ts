import { groupOf, type KubeObject } from '../../contract/artifact/objects.ts'
import type { JsonObject } from '../../contract/canonical-json.ts'
import { CelMap, type Result, Unknown, type Value } from '../../contract/cel/values.ts'
import type { RenderedObject } from '../render/rendered.ts'
import { withDefaults } from './custom-defaults.ts'
import type { Candidate } from './match.ts'
import { NAME_LABEL, objectValue } from './object-value.ts'
import type { Resource } from './resources.ts'

/** An object of an environment as policies look at it: all that expressions may ask, made once. */
export type Subject = {
  readonly rendered: RenderedObject
  readonly object: KubeObject
  readonly candidate: Candidate
  readonly value: CelMap
  readonly request: CelMap
  /** null for what stands in no namespace. */
  readonly namespaceObject: Result
  /** Of the request: '' for what stands in none. */
  readonly namespace: string | Unknown
}

/** What the rest of an environment says about its objects. */
export type Surroundings = {
  readonly resourceOf: (apiVersion: string, kind: string) => Resource | undefined
  /** The schema that a CRD has for a custom kind. */
  readonly schemaOf: (apiVersion: string, kind: string) => JsonObject | undefined
  /** True for a group of Kubernetes' own. */
  readonly isBuiltin: (group: string) => boolean
  readonly namespaces: ReadonlyMap<string, KubeObject>
}

/** Kinds whose admission policies never judge (apiserver v0.36, admission/plugin/policy/config). */
const EXEMPT = new Set([
  'ValidatingAdmissionPolicy',
  'ValidatingAdmissionPolicyBinding',
  'MutatingAdmissionPolicy',
  'MutatingAdmissionPolicyBinding',
])

export function isExempt({ apiVersion, kind }: KubeObject): boolean {
  return groupOf(apiVersion) === 'admissionregistration.k8s.io' && EXEMPT.has(kind)
}

export function subjectOf(rendered: RenderedObject, object: KubeObject, around: Surroundings): Subject {
  const { apiVersion, kind, metadata } = object
  const resource = around.resourceOf(apiVersion, kind)
  const isNamespace = apiVersion === 'v1' && kind === 'Namespace'
  const value = admittedValue(object, around, true)
  const namespace = isNamespace ? metadata.name : namespaceOf(object, resource)
  const labels = fieldOf(value, 'metadata', 'labels')
  const namespaceLabels = isNamespace ? labels : labelsOf(namespace, around)
  const [group, version] = [groupOf(apiVersion), apiVersion.slice(apiVersion.indexOf('/') + 1)]
  return {
    rendered,
    object,
    value,
    candidate: { group, version, resource, kind, name: metadata.name, labels, namespaceLabels },
    request: requestOf({ group, version, kind, name: metadata.name, resource, namespace }),
    namespaceObject: isNamespace || namespace === '' ? null : namespaceValue(namespace, around),
    namespace,
  }
}

/** An object as admission sees it; `delivered` by the puller, or put into the cluster by somebody else. */
export function admittedValue(object: KubeObject, around: Surroundings, delivered: boolean): CelMap {
  const { apiVersion, kind } = object
  const schema = around.schemaOf(apiVersion, kind)
  const filled = schema === undefined ? object : { ...object, ...withDefaults(object, schema) }
  return objectValue(filled, {
    delivered,
    namespaced: around.resourceOf(apiVersion, kind)?.namespaced,
    builtin: around.isBuiltin(groupOf(apiVersion)),
  })
}

function namespaceOf({ metadata }: KubeObject, resource: Resource | undefined): string | Unknown {
  if (resource?.namespaced === false) return ''
  return metadata.namespace ?? new Unknown('the namespace of the Delivery, in which it is put')
}

/** Labels of a namespace: all of them where it is in the environment; else only its name. */
function labelsOf(namespace: string | Unknown, around: Surroundings): CelMap | undefined {
  if (namespace === '') return undefined
  if (namespace instanceof Unknown) return new CelMap(new Map(), undefined, namespace)
  const found = around.namespaces.get(namespace)
  if (found !== undefined) return fieldOf(admittedValue(found, around, true), 'metadata', 'labels')
  return new CelMap(new Map([[NAME_LABEL, namespace]]), undefined, missingNamespace(namespace))
}

function namespaceValue(namespace: string | Unknown, around: Surroundings): Result {
  if (namespace instanceof Unknown) return namespace
  const found = around.namespaces.get(namespace)
  return found === undefined ? missingNamespace(namespace) : admittedValue(found, around, true)
}

function missingNamespace(name: string): Unknown {
  return new Unknown(`Namespace ${name}, which is not in this environment`)
}

function fieldOf(value: Value | undefined, ...path: readonly string[]): CelMap {
  const found = path.reduce<Value | undefined>(
    (at, step) => (at instanceof CelMap ? at.entries.get(step) : undefined),
    value,
  )
  return found instanceof CelMap ? found : new CelMap(new Map())
}

/** `request` of a create, by whoever: what is not known of it is refused when an expression is compiled. */
function requestOf(of: {
  readonly group: string
  readonly version: string
  readonly kind: string
  readonly name: string
  readonly resource: Resource | undefined
  readonly namespace: string | Unknown
}): CelMap {
  const { group, version, name, namespace } = of
  const kind = new CelMap(new Map(Object.entries({ group, version, kind: of.kind })))
  const known = new Map<string, Value>(Object.entries({ group, version }))
  const unknown = new Unknown(`which resource ${of.kind} is: its CRD is not in the package`)
  if (of.resource !== undefined) known.set('resource', of.resource.resource)
  const hidden = of.resource === undefined ? new Map([['resource', { unknown, present: true }]]) : undefined
  const resource = new CelMap(known, hidden)
  const entries = new Map<string, Value>([
    ['kind', kind],
    ['requestKind', kind],
    ['resource', resource],
    ['requestResource', resource],
    ['name', name],
    ['operation', 'CREATE'],
    ['dryRun', false],
  ])
  if (namespace instanceof Unknown)
    return new CelMap(entries, new Map([['namespace', { unknown: namespace, present: of.resource !== undefined }]]))
  if (namespace !== '') entries.set('namespace', namespace)
  return new CelMap(entries)
}
