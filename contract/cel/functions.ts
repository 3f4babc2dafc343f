import { LIST_FUNCTIONS } from './functions-lists.ts'
import { STANDARD_FUNCTIONS } from './functions-standard.ts'
import { STRING_FUNCTIONS } from './functions-strings.ts'
import type { FunctionTable, Implementation } from './implementation.ts'
import { QUANTITY_FUNCTIONS } from './quantity.ts'
import { parseSignature, type Signature } from './typing.ts'

type Overload = { readonly signature: Signature; readonly run: Implementation }

/** Every overload, by `function NAME` or `method NAME`. */
export const FUNCTIONS: ReadonlyMap<string, readonly Overload[]> = tableOf([
  STANDARD_FUNCTIONS,
  STRING_FUNCTIONS,
  LIST_FUNCTIONS,
  QUANTITY_FUNCTIONS,
])

export function overloadsOf(name: string, kind: 'function' | 'method'): readonly Overload[] {
  return FUNCTIONS.get(`${kind} ${name}`) ?? []
}

/** Functions that Kubernetes 1.36 has, and that are not built here: their values, or their limits, are not exact enough yet. */
export const UNSUPPORTED_NAMES: ReadonlySet<string> = new Set(
  [
    'uint bytes timestamp duration getDate getDayOfMonth getDayOfWeek getDayOfYear getFullYear getHours getMilliseconds',
    'getMinutes getMonth getSeconds isInteger asInteger asApproximateFloat strings.quote url isURL getScheme getHost',
    'getHostname getPort getEscapedPath getQuery ip isIP ip.isCanonical family isUnspecified isLoopback',
    'isLinkLocalMulticast isLinkLocalUnicast isGlobalUnicast cidr isCIDR containsIP containsCIDR prefixLength masked semver',
    'isSemver major minor patch validate format.named format.dns1123Label format.dns1123Subdomain format.dns1035Label',
    'format.qualifiedName format.dns1123LabelPrefix format.dns1123SubdomainPrefix format.dns1035LabelPrefix format.labelValue',
    'format.uri format.uuid format.byte format.date format.datetime authorizer path group serviceAccount resource subresource',
    'namespace name check allowed reason errored error fieldSelector labelSelector',
  ].flatMap((line) => line.split(' ')),
)

function tableOf(tables: readonly FunctionTable[]): ReadonlyMap<string, readonly Overload[]> {
  const all = new Map<string, Overload[]>()
  for (const { functions = {}, methods = {} } of tables)
    for (const [kind, entries] of [
      ['function', functions],
      ['method', methods],
    ] as const)
      for (const [text, run] of Object.entries(entries)) {
        const signature = parseSignature(text, kind)
        const key = `${kind} ${signature.name}`
        all.set(key, [...(all.get(key) ?? []), { signature, run }])
      }
  return all
}
