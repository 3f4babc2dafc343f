import { z } from 'zod'
import { groupOf } from '../../contract/artifact/objects.ts'
import { isJsonObject, type JsonObject } from '../../contract/canonical-json.ts'
import { toJsonSchema } from '../../contract/schema/json-schema.ts'
import type { Definitions } from '../../contract/schema/validate.ts'

/** A kind that a release of Kubernetes serves. */
export type BuiltinKind = z.infer<typeof kindSchema>

/** What one release of Kubernetes serves. */
export type Builtins = {
  /** Such as `1.36.3`: where the data comes from. */
  readonly release: string
  /** By `apps/v1 Deployment`. */
  readonly kinds: ReadonlyMap<string, BuiltinKind>
  /** API groups that are Kubernetes' own, now or once. */
  readonly groups: ReadonlySet<string>
  /** As JSON Schema, by the names that kinds say. */
  readonly definitions: Definitions
}

/** When a version of a kind is deprecated and removed (`1.16`), and what takes its place. */
export type Lifecycle = z.infer<typeof lifecycleSchema>

/** What Waybill knows of Kubernetes itself, for one package. */
export type Kubernetes = {
  /** What waybill.yaml pins, as a minor: `1.36`; undefined where it pins none. */
  readonly pinned?: string
  /** The minors that there is data for, oldest first. */
  readonly known: readonly string[]
  /** Of the pinned minor; where none is pinned, or there is no data for it, of the newest known. */
  readonly builtins: Builtins
  readonly lifecycles: ReadonlyMap<string, Lifecycle>
}

const kindSchema = z.strictObject({
  apiVersion: z.string(),
  kind: z.string(),
  resource: z.string(),
  namespaced: z.boolean(),
  definition: z.string(),
})

const lifecycleSchema = z.strictObject({
  apiVersion: z.string(),
  kind: z.string(),
  deprecated: z.string(),
  removed: z.string().optional(),
  successor: z.strictObject({ apiVersion: z.string(), kind: z.string() }).optional(),
})

const releaseSchema = z.strictObject({ release: z.string() })
const definitionSchema = z.strictObject({ name: z.string(), schema: z.custom<JsonObject>(isJsonObject) })
const QUANTITY = 'io.k8s.apimachinery.pkg.api.resource.Quantity'

/** How a type and a version are looked up. */
export function kindKey({ apiVersion, kind }: { readonly apiVersion: string; readonly kind: string }): string {
  return `${apiVersion} ${kind}`
}

/** Reads a release's data, as `npm run schemas` writes it: one JSON value a line. */
export function parseBuiltins(text: string, lifecycles: ReadonlyMap<string, Lifecycle>): Builtins {
  const kinds = new Map<string, BuiltinKind>()
  const definitions: Record<string, JsonObject> = {}
  const [first, ...rest] = linesOf(text)
  for (const line of rest)
    if (isJsonObject(line) && typeof line.definition === 'string') {
      const kind = kindSchema.parse(line)
      kinds.set(kindKey(kind), kind)
    } else {
      const { name, schema } = definitionSchema.parse(line)
      definitions[name] = toJsonSchema(name === QUANTITY ? { ...schema, format: 'quantity' } : schema)
    }
  const groups = new Set([...kinds.values(), ...lifecycles.values()].map(({ apiVersion }) => groupOf(apiVersion)))
  return { release: releaseSchema.parse(first).release, kinds, groups, definitions }
}

/** Reads what is deprecated, by `apps/v1beta1 Deployment`. */
export function parseLifecycles(text: string): ReadonlyMap<string, Lifecycle> {
  return new Map(
    linesOf(text).map((line) => {
      const lifecycle = lifecycleSchema.parse(line)
      return [kindKey(lifecycle), lifecycle] as const
    }),
  )
}

function linesOf(text: string): readonly unknown[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line): unknown => JSON.parse(line))
}

/** Less than 0 where `a` is the older minor. */
export function compareMinors(a: string, b: string): number {
  const [[majorA = 0, minorA = 0], [majorB = 0, minorB = 0]] = [a.split('.').map(Number), b.split('.').map(Number)]
  return majorA - majorB || minorA - minorB
}
