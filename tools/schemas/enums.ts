/** What one property may be: `definition` is the end of a definition's name, as `api.core.v1.Container`. */
export type EnumValues = { readonly definition: string; readonly property: string; readonly values: readonly string[] }

/**
 * The enums of generated Go (kube-openapi's `zz_generated.openapi.go`), by definition and property. Of an array or map they are those of
 * its items. Throws where an enum is written in a way that this does not read.
 */
export function enumsOf(go: string): readonly EnumValues[] {
  const found: EnumValues[] = []
  let definition = ''
  let property = ''
  for (const line of go.split('\n')) {
    definition = /^func schema_(\w+)\(ref /.exec(line)?.[1] ?? definition
    property = /^\t{5}"([^"]+)": \{$/.exec(line)?.[1] ?? property
    if (!/^\t+Enum:/.test(line)) continue
    const list = /^\t+Enum: +\[\]interface\{\}\{(.*)\},$/.exec(line)?.[1]
    if (list === undefined) throw new Error(`an enum of ${definition}.${property} is written in another way`)
    found.push({ definition: lastSteps(definition, '_'), property, values: parseStrings(list) })
  }
  return found
}

/** `k8sio_api_core_v1_Container` and `io.k8s.api.core.v1.Container` are both `core.v1.Container`. */
export function lastSteps(name: string, separator: string): string {
  return name.split(separator).slice(-3).join('.')
}

function parseStrings(list: string): readonly string[] {
  const values: unknown = JSON.parse(`[${list}]`)
  if (Array.isArray(values) && values.every((value) => typeof value === 'string')) return values
  throw new Error(`an enum that is not of text: ${list}`)
}
