import { isJsonObject, type Json, type JsonObject } from '../../contract/canonical-json.ts'

/** A container image that an object names, and where: the path of keys and indices to it. */
export type FoundImage = { readonly path: readonly (string | number)[]; readonly image: string }

const CONTAINER_LISTS = new Set(['containers', 'initContainers', 'ephemeralContainers'])

/**
 * Every container image of an object, of whatever kind: wherever a list named containers, initContainers or
 * ephemeralContainers has entries with an image, and image volumes. So kinds that are not built in, but carry a pod template,
 * count too. A Secret names none, whatever its values look like: they are not to be told, nor asked a registry for.
 */
export function imagesOf(object: Json): readonly FoundImage[] {
  const found: FoundImage[] = []
  if (isJsonObject(object) && object.kind === 'Secret') return found
  visit(object, [], found)
  return found
}

/** The object with every image that `imagesOf` finds put through `replace`. */
export function replaceImages(object: JsonObject, replace: (image: string) => string): JsonObject {
  return imagesOf(object).reduce((before, { path, image }) => {
    const after = replaceAt(before, path, replace(image))
    return isJsonObject(after) ? after : before
  }, object)
}

function replaceAt(value: Json | undefined, [step, ...rest]: FoundImage['path'], image: string): Json {
  if (step === undefined) return image
  if (Array.isArray(value)) return value.map((item: Json, i) => (i === step ? replaceAt(item, rest, image) : item))
  return isJsonObject(value) ? { ...value, [step]: replaceAt(value[step], rest, image) } : (value ?? null)
}

function visit(value: Json | undefined, path: readonly (string | number)[], found: FoundImage[]): void {
  if (Array.isArray(value)) {
    value.forEach((item, i) => {
      visit(item, [...path, i], found)
    })
    return
  }
  if (!isJsonObject(value)) return
  for (const [key, field] of Object.entries(value)) {
    if (Array.isArray(field)) collect(key, field, [...path, key], found)
    visit(field, [...path, key], found)
  }
}

function collect(key: string, items: readonly Json[], path: readonly (string | number)[], found: FoundImage[]): void {
  items.forEach((item, i) => {
    if (!isJsonObject(item)) return
    if (CONTAINER_LISTS.has(key) && typeof item.image === 'string')
      found.push({ path: [...path, i, 'image'], image: item.image })
    if (key === 'volumes' && isJsonObject(item.image) && typeof item.image.reference === 'string')
      found.push({ path: [...path, i, 'image', 'reference'], image: item.image.reference })
  })
}
