import { isJsonObject, type Json, type JsonObject } from '../../contract/canonical-json.ts'

const NAME = [['name']]
/**
 * How items of a list are known, by the list's name, as Kubernetes' own types have it (`patchMergeKey`, `listMapKeys`) or as a person
 * reads them (rules of an Ingress). The first of several that fits counts. Custom kinds reuse the names, and mean the same.
 */
const KEYS: Readonly<Record<string, readonly (readonly string[])[]>> = {
  containers: NAME,
  initContainers: NAME,
  ephemeralContainers: NAME,
  env: NAME,
  volumes: NAME,
  imagePullSecrets: NAME,
  secrets: NAME,
  resourceClaims: NAME,
  webhooks: NAME,
  versions: NAME,
  matchConditions: NAME,
  variables: NAME,
  additionalPrinterColumns: NAME,
  volumeMounts: [['mountPath']],
  volumeDevices: [['devicePath']],
  volumeClaimTemplates: [['metadata.name']],
  ports: [['containerPort', 'protocol'], ['port', 'protocol'], ['name']],
  hostAliases: [['ip']],
  topologySpreadConstraints: [['topologyKey', 'whenUnsatisfiable']],
  conditions: [['type']],
  subjects: [['kind', 'namespace', 'name']],
  rules: [['host']],
  paths: [['path', 'pathType']],
}
const DEFAULTS: Readonly<Record<string, Json>> = { protocol: 'TCP', namespace: '' }

/** Items by their keys, in the order of the list. */
export type KeyedItems = ReadonlyMap<string, { readonly keys: JsonObject; readonly item: JsonObject }>

/** Two lists as items by key; undefined where the name has no keys, an item lacks them, or two items share them. */
export function keyedItems(
  name: string | undefined,
  before: readonly Json[],
  after: readonly Json[],
): readonly [KeyedItems, KeyedItems] | undefined {
  const candidates = name !== undefined && Object.hasOwn(KEYS, name) ? (KEYS[name] ?? []) : []
  for (const names of candidates) {
    const [left, right] = [itemsBy(names, before), itemsBy(names, after)]
    if (left !== undefined && right !== undefined) return [left, right]
  }
  return undefined
}

function itemsBy(names: readonly string[], list: readonly Json[]): KeyedItems | undefined {
  const items = new Map<string, { keys: JsonObject; item: JsonObject }>()
  for (const item of list) {
    if (!isJsonObject(item)) return undefined
    const values = names.map((name) => fieldOf(item, name) ?? DEFAULTS[name])
    if (values.some((value) => value === undefined || typeof value === 'object')) return undefined
    // What a key is by default need not be read.
    const entries = names.map((name, i) => [name, values[i]] as const)
    const shown = entries.filter(([name, value]) => value !== DEFAULTS[name])
    items.set(JSON.stringify(values), { keys: Object.fromEntries(shown), item })
  }
  return items.size === list.length ? items : undefined
}

function fieldOf(item: JsonObject, name: string): Json | undefined {
  return name
    .split('.')
    .reduce<Json | undefined>((value, step) => (isJsonObject(value) ? value[step] : undefined), item)
}
