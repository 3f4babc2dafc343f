import { type KubeObject, objectId, objectKey, objectName } from '../artifact/objects.ts'
import { type Directives, ORDER_ANNOTATION, type OrderAnnotation, readDirectives } from './annotations.ts'
import { components } from './components.ts'
import { connect, cycleText, type Edges, type Member } from './graph.ts'
import { stageOf } from './stages.ts'

/** Objects that are applied together, once everything in the groups before is healthy. */
export type Group = {
  readonly stage: number
  readonly wave: number
  /** Among what has the same stage and wave: 0, or one more than the deepest that one of them depends on. */
  readonly depth: number
  /** `objectKey` of each, in the order given. */
  readonly keys: readonly string[]
}

/** Why objects cannot be taken as their annotations say, or not in the order that those ask for. */
export type OrderFault = {
  readonly code: 'ANNOTATION_INVALID' | 'DEPENDENCY_UNKNOWN' | 'DEPENDENCY_CYCLE'
  /** The object whose annotation it is, as it was given, and its name for people. */
  readonly object: KubeObject
  readonly name: string
  readonly annotation: OrderAnnotation
  readonly message: string
}

export type Order = {
  /** In the order of applying; reversed, that of deletion. Holds each key exactly once, whatever the faults. */
  readonly groups: readonly Group[]
  /** By key. */
  readonly directives: ReadonlyMap<string, Directives>
  /** Annotations first, then names, then cycles; each in the order given. */
  readonly faults: readonly OrderFault[]
}

export type OrderOptions = {
  /** Where objects were put that were packed without a namespace: a name without one may mean those. */
  readonly defaultNamespace?: string
}

type Position = Pick<Group, 'stage' | 'wave' | 'depth'>

/**
 * The order of one environment's objects: by the stage of their kind, then by wave, then by what they depend on. What depends on
 * something that would come later moves to just after it; everything comes after its Namespace and its CRD, where those are in the
 * set. Objects that are being deleted may name what is gone already: their faults are to be passed over. The same objects give the
 * same order before and after their namespaces were filled in. Linear in objects and dependencies.
 */
export function orderOf(objects: readonly KubeObject[], { defaultNamespace }: OrderOptions = {}): Order {
  const faults: OrderFault[] = []
  const members = new Map<string, Member>()
  for (const object of objects) {
    const id = objectId(object)
    const key = objectKey(id)
    const { directives, faults: found } = readDirectives(object)
    for (const { annotation, message } of found)
      faults.push({ code: 'ANNOTATION_INVALID', object, name: objectName(id), annotation, message })
    if (!members.has(key)) members.set(key, { object, id, key, directives })
  }
  const all = [...members.values()]
  const { edges, missing } = connect(all, defaultNamespace)
  for (const { member, dependency } of missing)
    faults.push(dependencyFault('DEPENDENCY_UNKNOWN', member, `there is no ${dependency.text} among the objects`))
  const sorted = components(edges.map((to) => [...to.keys()]))
  return {
    groups: grouped(all, positionsOf(sorted, all, edges)),
    directives: new Map(all.map(({ key, directives }) => [key, directives])),
    faults: [...faults, ...cycleFaults(sorted, all, edges)],
  }
}

function dependencyFault(code: OrderFault['code'], { object, id }: Member, message: string): OrderFault {
  const annotation = ORDER_ANNOTATION.dependsOn
  return { code, object, name: objectName(id), annotation, message: `${annotation}: ${message}` }
}

/** What a component depends on has its position before it; inside a cycle, none of them counts for the others. */
function positionsOf(
  sorted: readonly (readonly number[])[],
  members: readonly Member[],
  edges: Edges,
): readonly Position[] {
  const positions: Position[] = []
  for (const component of sorted) {
    const placed = component.flatMap((node) => {
      const member = members[node]
      return member === undefined ? [] : [[node, positionOf(member, edges[node]?.keys() ?? [], positions)] as const]
    })
    for (const [node, position] of placed) positions[node] = position
  }
  return positions
}

function positionOf(
  { id, directives }: Member,
  after: Iterable<number>,
  positions: readonly (Position | undefined)[],
): Position {
  let latest: Position = { stage: stageOf(id), wave: directives.wave, depth: 0 }
  for (const node of after) {
    const before = positions[node]
    if (before === undefined) continue
    const next = { ...before, depth: before.depth + 1 }
    if (comparePositions(next, latest) > 0) latest = next
  }
  return latest
}

function comparePositions(a: Position, b: Position): number {
  return a.stage - b.stage || a.wave - b.wave || a.depth - b.depth
}

function grouped(members: readonly Member[], positions: readonly Position[]): readonly Group[] {
  const groups = new Map<string, Position & { readonly keys: string[] }>()
  for (const [node, { key }] of members.entries()) {
    const position = positions[node]
    if (position === undefined) continue
    const at = `${position.stage} ${position.wave} ${position.depth}`
    const group = groups.get(at) ?? { ...position, keys: [] }
    group.keys.push(key)
    groups.set(at, group)
  }
  return [...groups.values()].sort(comparePositions)
}

/** One for what depends on itself in one way or another, at the first object that says so. */
function cycleFaults(
  sorted: readonly (readonly number[])[],
  members: readonly Member[],
  edges: Edges,
): readonly OrderFault[] {
  const found = sorted.flatMap((component) => {
    const within = new Set(component)
    const says = component.filter((node) =>
      [...(edges[node] ?? [])].some(([to, why]) => why === 'depends-on' && within.has(to)),
    )
    const start = says.reduce((first, node) => Math.min(first, node), Number.POSITIVE_INFINITY)
    const member = members[start]
    const way = member === undefined ? undefined : cycleText(start, members, edges)
    if (member === undefined || way === undefined) return []
    return [{ start, fault: dependencyFault('DEPENDENCY_CYCLE', member, `it would come before itself: ${way}`) }]
  })
  return found.sort((a, b) => a.start - b.start).map(({ fault }) => fault)
}
