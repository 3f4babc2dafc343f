import { isJsonObject, type Json, type JsonObject } from '../../contract/canonical-json.ts'

/** A step into an object: a field, the index in a list, or the item of a list whose keys have these values. */
export type Step = string | number | JsonObject
export type Path = readonly Step[]

const TEXT_CHARS_MAX = 1000

/** `spec.containers[name=api].args[2]`, `metadata.annotations["example.com/x"]`; at most about 1,000 characters. */
export function pathText(path: Path): string {
  const text = path.reduce<string>((before, step) => {
    if (typeof step === 'number') return `${before}[${step}]`
    if (isJsonObject(step)) return `${before}[${keysText(step)}]`
    if (!/^[A-Za-z_$][\w$-]*$/.test(step)) return `${before}[${JSON.stringify(step)}]`
    return before === '' ? step : `${before}.${step}`
  }, '')
  return text.length > TEXT_CHARS_MAX ? `${text.slice(0, TEXT_CHARS_MAX)}…` : text
}

function keysText(keys: JsonObject): string {
  return Object.entries(keys)
    .map(([name, value]) => `${name}=${valueText(value)}`)
    .join(',')
}

function valueText(value: Json | undefined): string {
  return typeof value === 'string' && /^[\w./:-]+$/.test(value) ? value : JSON.stringify(value)
}
