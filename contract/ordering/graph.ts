import { type KubeObject, type ObjectId, objectKey, objectName } from '../artifact/objects.ts'
import { isJsonObject } from '../canonical-json.ts'
import type { Dependency, Directives } from './annotations.ts'

/** One object of a set. */
export type Member = {
  readonly object: KubeObject
  readonly id: ObjectId
  readonly key: string
  readonly directives: Directives
}

/** Why something comes after something else: its annotation says so, or it stands in it, or is defined by it. */
export type Why = 'depends-on' | 'namespace' | 'definition'

/** For each member, by its place, the places of what must come before it. */
export type Edges = readonly ReadonlyMap<number, Why>[]

/** Joins members to what they need: what they name, their Namespace and their CRD, as far as those are in the set. */
export function connect(
  members: readonly Member[],
  defaultNamespace: string | undefined,
): {
  readonly edges: Edges
  readonly missing: readonly { readonly member: Member; readonly dependency: Dependency }[]
} {
  const byKey = new Map(members.map(({ key }, node) => [key, node]))
  const definitions = definitionsOf(members)
  const missing: { readonly member: Member; readonly dependency: Dependency }[] = []
  const edges = members.map((member) => {
    const { id, directives } = member
    const to = new Map<number, Why>()
    const namespace = byKey.get(objectKey({ group: '', kind: 'Namespace', namespace: '', name: id.namespace }))
    if (namespace !== undefined) to.set(namespace, 'namespace')
    const definition = definitions.get(`${id.group}/${id.kind}`)
    if (definition !== undefined) to.set(definition, 'definition')
    for (const dependency of directives.dependsOn) {
      const found = find(dependency, id.namespace, byKey, defaultNamespace)
      if (found === undefined) missing.push({ member, dependency })
      else to.set(found, 'depends-on')
    }
    return to
  })
  return { edges, missing }
}

/** A name without a namespace means an object beside the dependant, or one that has none. */
function find(
  { group, kind, namespace, name }: Dependency,
  beside: string,
  byKey: ReadonlyMap<string, number>,
  defaultNamespace: string | undefined,
): number | undefined {
  const candidates = namespace === undefined ? [beside, '', defaultNamespace ?? ''] : [namespace]
  for (const candidate of candidates) {
    const found = byKey.get(objectKey({ group, kind, namespace: candidate, name }))
    if (found !== undefined) return found
  }
  return undefined
}

/** By group-kind, the CRD of the set that defines it. */
function definitionsOf(members: readonly Member[]): ReadonlyMap<string, number> {
  return new Map(
    members.flatMap(({ object: { spec }, id }, node) => {
      const isDefinition = id.group === 'apiextensions.k8s.io' && id.kind === 'CustomResourceDefinition'
      if (!isDefinition || !isJsonObject(spec) || !isJsonObject(spec.names)) return []
      const { group } = spec
      const { kind } = spec.names
      return typeof group === 'string' && typeof kind === 'string' ? [[`${group}/${kind}`, node] as const] : []
    }),
  )
}

/** A shortest way from a node back to itself, for people; undefined where there is none. */
export function cycleText(start: number, members: readonly Member[], edges: Edges): string | undefined {
  const cameFrom = new Map<number, number>()
  const queue = [start]
  for (const node of queue)
    for (const to of edges[node]?.keys() ?? []) {
      if (cameFrom.has(to)) continue
      cameFrom.set(to, node)
      if (to === start) return textOf(wayTo(start, cameFrom), members, edges)
      queue.push(to)
    }
  return undefined
}

function wayTo(start: number, cameFrom: ReadonlyMap<number, number>): readonly number[] {
  const way = [start]
  for (let node = cameFrom.get(start); node !== undefined && node !== start; node = cameFrom.get(node)) way.push(node)
  return [...way, start].reverse()
}

const CYCLE_NAMES_MAX = 8
const WORDS: Readonly<Record<Why, string>> = { 'depends-on': '', namespace: 'its ', definition: 'its kind’s ' }

function textOf(way: readonly number[], members: readonly Member[], edges: Edges): string {
  const names = way.map((node, i) => {
    const member = members[node]
    const why = edges[way[i - 1] ?? -1]?.get(node) ?? 'depends-on'
    return member === undefined ? '' : `${WORDS[why]}${objectName(member.id)}`
  })
  if (names.length <= CYCLE_NAMES_MAX) return names.join(' → ')
  const half = CYCLE_NAMES_MAX / 2
  return [...names.slice(0, half), `${names.length - CYCLE_NAMES_MAX} more`, ...names.slice(-half)].join(' → ')
}
