import data from './data/object-shapes.json' with { type: 'json' }

/**
 * What a field of an object of Kubernetes' own is, once the API server has read it: `form` is o for an object, l… and m… for a list
 * and a map of what follows, s text, i integer, b bool, f double, q quantity, t time or duration, r whatever is written.
 */
export type Field = {
  readonly form: string
  /** The type of the objects in it. */
  readonly shape: string | undefined
  /** The API server may fill it in where it is left out. */
  readonly filled: boolean
  /** It is dropped where it is zero: false, 0, "", [] or {}. */
  readonly dropped: boolean
  /** It is there, as zero, also where it is left out. */
  readonly always: boolean
}

export type Shape = ReadonlyMap<string, Field>

const KINDS: Readonly<Record<string, string>> = data.kinds
const SHAPES: Readonly<Record<string, Readonly<Record<string, string | undefined>> | undefined>> = data.shapes
const known = new Map<string, Shape>()

/** The shape of a kind, such as `apps/v1 Deployment`; undefined where nothing is known of it (custom kinds, alpha and beta versions). */
export function shapeOfKind(apiVersion: string, kind: string): Shape | undefined {
  const key = `${apiVersion} ${kind}`
  const name = Object.hasOwn(KINDS, key) ? KINDS[key] : undefined
  return name === undefined ? undefined : shapeNamed(name)
}

export function shapeNamed(name: string): Shape {
  const found = known.get(name)
  if (found !== undefined) return found
  const shape = new Map(Object.entries(SHAPES[name] ?? {}).map(([field, text]) => [field, parseField(text ?? 'r')]))
  known.set(name, shape)
  return shape
}

function parseField(text: string): Field {
  const [head = '', shape] = text.split(' ')
  return {
    form: head.replace(/[-+!]+$/, ''),
    shape,
    filled: head.includes('+'),
    dropped: head.includes('-'),
    always: head.includes('!'),
  }
}
