import type { KubeObject } from '../../contract/artifact/objects.ts'
import { isJsonObject } from '../../contract/canonical-json.ts'

/** On every object that `waybill install` and `waybill tenant` print: by it they are found again. */
export const PART_OF = { 'app.kubernetes.io/part-of': 'waybill' } as const

/** The objects, each with that label. */
export function labelled(objects: readonly KubeObject[]): KubeObject[] {
  return objects.map((object) => {
    const { labels } = object.metadata
    return {
      ...object,
      metadata: { ...object.metadata, labels: { ...(isJsonObject(labels) ? labels : {}), ...PART_OF } },
    }
  })
}
