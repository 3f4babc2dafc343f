import type { ObjectId } from '../../contract/artifact/objects.ts'

/** Objects by what they are; what is left out matches all. `kind` is `Deployment.apps`; `*` in the others stands for any text. */
export type ObjectPattern = {
  readonly kind?: string | undefined
  readonly namespace?: string | undefined
  readonly name?: string | undefined
}

/** Pure. Cluster-scoped objects have namespace ''. */
export function matchesObject(pattern: ObjectPattern, id: ObjectId): boolean {
  const kind = id.group === '' ? id.kind : `${id.kind}.${id.group}`
  return (
    (pattern.kind === undefined || pattern.kind === kind) &&
    (pattern.namespace === undefined || matchesText(pattern.namespace, id.namespace)) &&
    (pattern.name === undefined || matchesText(pattern.name, id.name))
  )
}

/** Linear: each part is looked for once, from the left. */
function matchesText(pattern: string, text: string): boolean {
  const [first = '', ...rest] = pattern.split('*')
  const last = rest.pop()
  if (last === undefined) return pattern === text
  if (!text.startsWith(first)) return false
  let at = first.length
  for (const part of rest) {
    const found = text.indexOf(part, at)
    if (found < 0) return false
    at = found + part.length
  }
  return text.length - last.length >= at && text.endsWith(last)
}
