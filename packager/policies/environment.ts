import type { Declaration, Environment, Frame, Node } from '../../contract/cel/node.ts'
import { BOOL, type CelType, DYN, INT, listOf, mapOf, NULL, STRING, typeOf } from '../../contract/cel/typing.ts'
import type { Result } from '../../contract/cel/values.ts'

/** Where a frame holds what the API server gives to every expression. */
export const SLOTS = { object: 0, oldObject: 1, request: 2, namespaceObject: 3, params: 4 } as const

const KIND = typeOf('kubernetes.GroupVersionKind')
const RESOURCE = typeOf('kubernetes.GroupVersionResource')
const TIME = typeOf('timestamp')
const texts = (...names: readonly string[]) => names.map((name) => [name, STRING] as const)
const TEXT_MAP = mapOf(STRING, STRING)
const fields = (...entries: readonly (readonly [string, CelType])[]) => new Map(entries)

/** Types of apiserver v0.36, admission/plugin/cel/compile.go. */
const FIELDS: Environment['fields'] = {
  'kubernetes.GroupVersionKind': fields(...texts('group', 'version', 'kind')),
  'kubernetes.GroupVersionResource': fields(...texts('group', 'version', 'resource')),
  'kubernetes.AdmissionRequest': fields(
    ...(['kind', 'requestKind'] as const).map((name) => [name, KIND] as const),
    ...(['resource', 'requestResource'] as const).map((name) => [name, RESOURCE] as const),
    ...texts('subResource', 'requestSubResource', 'name', 'namespace', 'operation'),
    ['dryRun', BOOL],
  ),
  'kubernetes.Namespace': fields(
    ['metadata', typeOf('kubernetes.NamespaceMetadata')],
    ['spec', typeOf('kubernetes.NamespaceSpec')],
    ['status', typeOf('kubernetes.NamespaceStatus')],
  ),
  'kubernetes.NamespaceMetadata': fields(
    ...texts('name', 'generateName', 'namespace', 'UID', 'resourceVersion'),
    ['labels', TEXT_MAP],
    ['annotations', TEXT_MAP],
    ['creationTimestamp', TIME],
    ['deletionTimestamp', TIME],
    ['deletionGracePeriodSeconds', INT],
    ['generation', INT],
    ['finalizers', listOf(STRING)],
  ),
  'kubernetes.NamespaceSpec': fields(['finalizers', listOf(STRING)]),
  'kubernetes.NamespaceStatus': fields(...texts('phase'), ['conditions', listOf(DYN)]),
}

const UNSUPPORTED = new Set([
  'authorizer',
  'variables',
  'request.userInfo',
  'request.options',
  'kubernetes.AdmissionRequest.userInfo',
  'kubernetes.AdmissionRequest.options',
  'google',
  'timestamp',
  'duration',
])

/** What the expressions of one policy may name; variables are added one after another. */
export class PolicyEnvironment {
  #slots: number = Object.keys(SLOTS).length
  #variables: Map<string, Declaration>
  readonly nextSlot = () => this.#slots++

  constructor(options: { readonly params: boolean }) {
    this.#variables = new Map<string, Declaration>([
      ['object', { type: DYN, read: SLOTS.object }],
      ['oldObject', { type: DYN, read: SLOTS.oldObject }],
      ['request', { type: typeOf('kubernetes.AdmissionRequest'), read: SLOTS.request }],
      ['namespaceObject', { type: typeOf('kubernetes.Namespace'), read: SLOTS.namespaceObject }],
      ...(options.params ? [['params', { type: DYN, read: SLOTS.params }] as const] : []),
    ])
  }

  /** The variables so far are known, or none of them: match conditions have no `variables`. */
  with(options: { readonly variables: boolean }): Environment {
    const known = [...this.#variables].filter(([name]) => options.variables || !name.startsWith('variables.'))
    return {
      variables: new Map(known),
      fields: FIELDS,
      unsupported: UNSUPPORTED,
      namespaces: new Set(options.variables ? ['variables'] : []),
      nextSlot: this.nextSlot,
    }
  }

  /** Adds `variables.NAME`, which is evaluated when it is first read. */
  addVariable(name: string, node: Node): void {
    const slot = this.nextSlot()
    const read = (frame: Frame): Result => {
      const known = frame[slot]
      if (known !== undefined) return known
      const value = node.run(frame)
      frame[slot] = value
      return value
    }
    this.#variables.set(`variables.${name}`, { type: variableType(node.type), read })
  }
}

const KEPT = new Set([BOOL, INT, STRING, NULL, typeOf('double')].map(({ name }) => name))

/** Variables keep simple types, lists and maps; everything else is dyn (composition.go, convertCelTypeToDeclType). */
function variableType(type: CelType): CelType {
  if (KEPT.has(type.name)) return type
  if (type.name === 'list' || type.name === 'map') return typeOf(type.name, ...type.of.map(variableType))
  return DYN
}
