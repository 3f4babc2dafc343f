import { WaybillError } from '../../contract/errors.ts'
import type { KubeObject } from '../../contract/objects.ts'

export type InstallOptions = {
  /** Only the CustomResourceDefinitions, the puller's RBAC and the admission policies: all there is until an image exists. */
  readonly crdsOnly: boolean
  /** The puller's own namespace. Default: waybill-system. */
  readonly namespace?: string
  /** User name that the puller's requests come with. Default: its service account, system:serviceaccount:<namespace>:waybill-puller. */
  readonly identity?: string
}

/** What `waybill install` prints, in the order to apply it in. */
export function installObjects(_options: InstallOptions): KubeObject[] {
  throw new WaybillError('INTERNAL', 'not built yet')
}
