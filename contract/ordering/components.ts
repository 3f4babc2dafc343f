/**
 * Strongly connected components of a graph given as the nodes that each node leads to (Tarjan, without recursion: chains may be as long
 * as a set is large). What a component leads to comes before it; linear in nodes and edges.
 */
export function components(edges: readonly (readonly number[])[]): readonly (readonly number[])[] {
  const found: number[][] = []
  const order = new Map<number, number>()
  const lowest: number[] = []
  const open: number[] = []
  const isOpen = new Set<number>()
  const visit = (node: number): Step => {
    order.set(node, order.size)
    lowest[node] = order.size - 1
    open.push(node)
    isOpen.add(node)
    return { node, next: 0 }
  }
  for (const root of edges.keys()) {
    if (order.has(root)) continue
    const steps = [visit(root)]
    for (let step = steps.at(-1); step !== undefined; step = steps.at(-1)) {
      const to = edges[step.node]?.[step.next++]
      if (to !== undefined) {
        if (!order.has(to)) steps.push(visit(to))
        else if (isOpen.has(to)) lower(lowest, step.node, order.get(to))
        continue
      }
      steps.pop()
      const outer = steps.at(-1)
      if (outer !== undefined) lower(lowest, outer.node, lowest[step.node])
      if (lowest[step.node] === order.get(step.node)) {
        const component = open.splice(open.lastIndexOf(step.node))
        for (const node of component) isOpen.delete(node)
        found.push(component)
      }
    }
  }
  return found
}

type Step = { readonly node: number; next: number }

function lower(lowest: number[], node: number, value: number | undefined): void {
  if (value !== undefined && value < (lowest[node] ?? Number.POSITIVE_INFINITY)) lowest[node] = value
}
