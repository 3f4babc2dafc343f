import { groupOf } from '../../../contract/artifact/objects.ts'
import { isJsonObject, type JsonObject } from '../../../contract/canonical-json.ts'
import type { RenderedObject } from '../rendered.ts'

/** Kinds of Kubernetes' own groups that stand in no namespace (v1.36); of groups with `*` all kinds. */
const CLUSTER_SCOPED = new Set([
  ...['/Namespace', '/Node', '/PersistentVolume', 'admissionregistration.k8s.io/*', 'flowcontrol.apiserver.k8s.io/*'],
  ...['apiextensions.k8s.io/*', 'apiregistration.k8s.io/*', 'internal.apiserver.k8s.io/*', 'storagemigration.k8s.io/*'],
  ...['certificates.k8s.io/CertificateSigningRequest', 'certificates.k8s.io/ClusterTrustBundle'],
  ...['networking.k8s.io/IPAddress', 'networking.k8s.io/IngressClass', 'networking.k8s.io/ServiceCIDR'],
  ...['node.k8s.io/RuntimeClass', 'scheduling.k8s.io/PriorityClass'],
  ...['rbac.authorization.k8s.io/ClusterRole', 'rbac.authorization.k8s.io/ClusterRoleBinding'],
  ...['resource.k8s.io/DeviceClass', 'resource.k8s.io/DeviceTaintRule', 'resource.k8s.io/ResourceSlice'],
  ...['resource.k8s.io/ResourcePoolStatusRequest', 'storage.k8s.io/CSIDriver', 'storage.k8s.io/CSINode'],
  ...['storage.k8s.io/StorageClass', 'storage.k8s.io/VolumeAttachment', 'storage.k8s.io/VolumeAttributesClass'],
])

/**
 * Objects without a namespace stand in the release's, as `helm install -n` puts them; kinds that have none are left alone: Kubernetes'
 * own, and those whose CRD is among the objects. The puller takes the namespace off whatever else turns out to be cluster-scoped.
 */
export function inNamespace(objects: readonly RenderedObject[], namespace: string): readonly RenderedObject[] {
  const scoped = new Set(objects.flatMap(({ object }) => clusterScopedBy(object)))
  return objects.map((rendered) => {
    const { object } = rendered
    const { metadata, apiVersion, kind } = object
    if (!isJsonObject(metadata) || metadata.namespace !== undefined || typeof apiVersion !== 'string') return rendered
    const group = groupOf(apiVersion)
    const names = [`${group}/${String(kind)}`, `${group}/*`]
    if (names.some((name) => CLUSTER_SCOPED.has(name) || scoped.has(name))) return rendered
    return { ...rendered, object: { ...object, metadata: { ...metadata, namespace } } }
  })
}

function clusterScopedBy({ kind, spec }: JsonObject): readonly string[] {
  if (kind !== 'CustomResourceDefinition' || !isJsonObject(spec) || spec.scope !== 'Cluster') return []
  const names = isJsonObject(spec.names) ? spec.names : {}
  return [`${String(spec.group)}/${String(names.kind)}`]
}
