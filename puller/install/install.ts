import type { KubeObject } from '../../contract/artifact/objects.ts'
import { DEFAULT_NAMESPACE } from '../records/keys.ts'
import { admissionObjects } from './admission.ts'
import { crdObjects } from './crds.ts'
import { pullerIdentity } from './identity.ts'
import { rbacObjects } from './rbac.ts'
import type { SharedKind } from './shared-kinds.ts'

export type InstallOptions = {
  /** Without the puller's own Deployment. The Deployment is not built yet, so both give the same. */
  readonly crdsOnly: boolean
  /** The puller's own namespace. Default: waybill-system. */
  readonly namespace?: string
  /** User name that the puller's requests come with. Default: its service account, system:serviceaccount:<namespace>:waybill-puller. */
  readonly identity?: string
  /** Kinds that the puller watches everywhere as itself (`puller --shared-watch`). */
  readonly shared?: readonly SharedKind[]
}

/** What `waybill install` prints, in the order to apply it in: kinds, the puller's rights, and who may write records. */
export function installObjects(options: InstallOptions): KubeObject[] {
  const namespace = options.namespace ?? DEFAULT_NAMESPACE
  const identity = options.identity ?? pullerIdentity(namespace)
  return [
    ...crdObjects(),
    ...rbacObjects({ namespace, identity, ...(options.shared && { shared: options.shared }) }),
    ...admissionObjects({ namespace, identity }),
  ]
}
