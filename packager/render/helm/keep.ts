import { isJsonObject } from '../../../contract/canonical-json.ts'
import { ORDER_ANNOTATION } from '../../../contract/ordering/annotations.ts'
import type { RenderedObject } from '../rendered.ts'

/** `helm.sh/resource-policy: keep`, as helm v4.3.1 reads it, becomes `waybill.dev/prune: never`, unless the object says something else about that. */
export function kept(rendered: RenderedObject): RenderedObject {
  const { metadata } = rendered.object
  if (!isJsonObject(metadata) || !isJsonObject(metadata.annotations)) return rendered
  const policy = metadata.annotations['helm.sh/resource-policy']
  if (typeof policy !== 'string' || policy.trim().toLowerCase() !== 'keep') return rendered
  const annotations = { [ORDER_ANNOTATION.prune]: 'never', ...metadata.annotations }
  return { ...rendered, object: { ...rendered.object, metadata: { ...metadata, annotations } } }
}
