import type { KubeObject } from '../../contract/artifact/objects.ts'
import { DEFAULT_NAMESPACE } from '../records/keys.ts'
import { admissionObjects } from './admission.ts'
import { attributionObjects } from './attribution.ts'
import { certificateObjects } from './certificates.ts'
import { crdObjects } from './crds.ts'
import { guardObjects } from './guard.ts'
import { pullerIdentity } from './identity.ts'
import { networkObjects } from './network.ts'
import { labelled } from './part-of.ts'
import { namespaceObject, rbacObjects } from './rbac.ts'
import { selfUpdateObjects } from './self-update.ts'
import type { SharedKind } from './shared-kinds.ts'
import { workloadObjects } from './workload.ts'

/** What a cluster needs for any puller, wherever it runs. */
type EveryInstall = {
  /** The puller's own namespace. Default: waybill-system. */
  readonly namespace?: string
  /** Kinds that the puller watches everywhere as itself (`puller --shared-watch`). */
  readonly shared?: readonly SharedKind[]
  /** With the policy that notes who changed a delivered object. */
  readonly attribution?: boolean
  /** With the policy that keeps others from delivered objects; `groups` are let through. */
  readonly guard?: { readonly groups: readonly string[] }
}

export type InstallOptions =
  | (EveryInstall & {
      /** Without a Deployment: the puller runs by other means. */
      readonly crdsOnly: true
      /** User name that the puller's requests come with. Default: its service account, system:serviceaccount:<namespace>:waybill-puller. */
      readonly identity?: string
    })
  | (EveryInstall & {
      readonly crdsOnly: false
      /** Reference of the puller's image, by digest or tag. */
      readonly image: string
      /** Of the puller, 1 at least. Default: 2. */
      readonly replicas?: number
      /** TCP ports, besides 443 and 6443, that the puller may reach anywhere. */
      readonly egressPorts?: readonly number[]
      /** PEM: certificates that the puller trusts besides those of its image. */
      readonly ca?: string
      /** The puller speaks HTTP to every registry. */
      readonly plainHttp?: boolean
      /** Secret in the puller's namespace with which the image is pulled. */
      readonly pullSecret?: string
      /** `host/path:channel` of the package that this install is part of, for the puller to follow. */
      readonly selfUpdate?: string
      /** With a ServiceMonitor for the Prometheus operator. */
      readonly serviceMonitor?: boolean
    })

/**
 * What `waybill install` prints, in the order to apply it in: the namespace, kinds, the puller's rights, who may write what, and the puller. Every
 * object carries `app.kubernetes.io/part-of: waybill`.
 */
export function installObjects(options: InstallOptions): KubeObject[] {
  const { namespace = DEFAULT_NAMESPACE, shared = [], guard } = options
  const identity = (options.crdsOnly ? options.identity : undefined) ?? pullerIdentity(namespace)
  return labelled([
    namespaceObject(namespace, { isRestricted: !options.crdsOnly }),
    ...crdObjects(),
    ...rbacObjects({ namespace, identity, shared, namesDeliveries: guard !== undefined }),
    ...admissionObjects({ namespace, identity }),
    ...(options.attribution === true ? attributionObjects() : []),
    ...(guard === undefined ? [] : guardObjects(guard)),
    ...(options.crdsOnly
      ? []
      : [
          ...networkObjects({ namespace, ...options }),
          ...(options.ca === undefined ? [] : certificateObjects(namespace, options.ca)),
          ...workloadObjects({ namespace, shared, isGuarded: guard !== undefined, ...options }),
          ...(options.selfUpdate === undefined
            ? []
            : selfUpdateObjects({ namespace, identity, followed: options.selfUpdate })),
        ]),
  ])
}
