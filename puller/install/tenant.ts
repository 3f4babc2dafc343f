import { WaybillError } from '../../contract/errors.ts'
import type { KubeObject } from '../../contract/objects.ts'

export type TenantOptions = {
  /** The tenant's namespace. */
  readonly name: string
  /** The service account that Deliveries there act as. Default: waybill. */
  readonly account?: string
  /** The puller's own namespace. Default: waybill-system. */
  readonly pullerNamespace?: string
  /** As InstallOptions.identity. */
  readonly identity?: string
  /** API groups of custom kinds that the tenant may use, besides the built-in ones. */
  readonly apiGroups?: readonly string[]
}

/** What `waybill tenant NAME` prints, in the order to apply it in. */
export function tenantObjects(_options: TenantOptions): KubeObject[] {
  throw new WaybillError('INTERNAL', 'not built yet')
}
