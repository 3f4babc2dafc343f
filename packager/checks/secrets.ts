import { isJsonObject, type Json } from '../../contract/canonical-json.ts'
import type { Fault } from '../../contract/errors.ts'
import { faultAt, type RenderedObject } from '../render/rendered.ts'

/** No Secret has values in it; the fault names the keys, never a value. */
export function checkSecrets(objects: readonly RenderedObject[], rule: 'refuse' | 'allow'): readonly Fault[] {
  if (rule === 'allow') return []
  return objects.flatMap((rendered) => {
    const { apiVersion, kind, data, stringData } = rendered.object
    if (apiVersion !== 'v1' || kind !== 'Secret') return []
    const fields = Object.entries({ data, stringData })
    return fields.flatMap(([field, values]) => {
      const keys = isJsonObject(values)
        ? Object.keys(values).filter((key) => values[key] !== '' && values[key] !== null)
        : []
      const bare = values !== undefined && values !== null && !isJsonObject(values)
      if (keys.length === 0 && !bare) return []
      // What no key can be is a value in the wrong place.
      const names = keys.filter((key) => /^[-._a-zA-Z0-9]{1,253}$/.test(key)).slice(0, 10)
      const message = `a Secret with values in it${names.length === 0 ? '' : `: ${names.join(', ')}`}`
      return [faultAt(rendered, 'SECRET_VALUE', message, [written(rendered, field)])]
    })
  })
}

/** The field as it stands in the file: `stringData` has become `data`. */
function written({ origin: { document, path } }: RenderedObject, field: string): string {
  const found = path.reduce<Json | undefined>(
    (value, step) => (Array.isArray(value) ? value[Number(step)] : isJsonObject(value) ? value[step] : undefined),
    document?.value,
  )
  return isJsonObject(found) && found[field] === undefined && found.stringData !== undefined ? 'stringData' : field
}
