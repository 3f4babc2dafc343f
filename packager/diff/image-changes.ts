import { compareBytes } from '../../contract/artifact/artifact.ts'
import { isJsonObject, type Json } from '../../contract/canonical-json.ts'
import { imagesOf } from '../render/images.ts'
import { type Path, pathText, type Step } from './field-path.ts'

/** Where an image stands: an object, and the container or volume in it. */
export type ImageUse = { readonly object: string; readonly path: string }

/** One image that came, went, or took another's place, with all the containers in which it did. */
export type ImageChange = { readonly before?: string; readonly after?: string; readonly uses: readonly ImageUse[] }

/** Two states of one object; undefined where there is none. */
export type Pair = { readonly object: string; readonly before?: Json; readonly after?: Json }

/** Images by what they were and are, each such pair once, sorted. */
export function imageChanges(pairs: readonly Pair[]): readonly ImageChange[] {
  const changes = new Map<string, ImageChange & { readonly uses: ImageUse[] }>()
  for (const { object, before, after } of pairs) {
    const [left, right] = [slots(before), slots(after)]
    for (const path of new Set([...left.keys(), ...right.keys()])) {
      const [was, is] = [left.get(path), right.get(path)]
      if (was === is) continue
      const key = JSON.stringify([was, is])
      const found = changes.get(key) ?? {
        ...(was !== undefined && { before: was }),
        ...(is !== undefined && { after: is }),
        uses: [],
      }
      found.uses.push({ object, path })
      changes.set(key, found)
    }
  }
  return [...changes].sort(([a], [b]) => compareBytes(a, b)).map(([, change]) => change)
}

/** Images by the path to them, containers by name, so that one that only moved in its list is the same. */
function slots(object: Json | undefined): ReadonlyMap<string, string> {
  if (object === undefined) return new Map()
  return new Map(imagesOf(object).map(({ path, image }) => [pathText(named(object, path)), image]))
}

function named(object: Json, path: readonly (string | number)[]): Path {
  let value: Json | undefined = object
  return path.map((step): Step => {
    value = Array.isArray(value) ? value[Number(step)] : isJsonObject(value) ? value[step] : undefined
    const name = typeof step === 'number' && isJsonObject(value) ? value.name : undefined
    return typeof name === 'string' ? { name } : step
  })
}

/** The digest cut to twelve digits, for people. */
export function shortImage(image: string): string {
  return image.replace(/(@sha256:[0-9a-f]{12})[0-9a-f]{52}$/, '$1')
}
