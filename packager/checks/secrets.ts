import { isJsonObject } from '../../contract/canonical-json.ts'
import type { Fault } from '../../contract/errors.ts'
import { faultAt, type RenderedObject } from '../rendered.ts'

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
      const message = `a Secret with values in it${keys.length === 0 ? '' : `: ${keys.slice(0, 10).join(', ')}`}`
      return [faultAt(rendered, 'SECRET_VALUE', message, [field])]
    })
  })
}
