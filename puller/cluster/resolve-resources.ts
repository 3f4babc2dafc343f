import type { KubeObject } from '../../contract/artifact/objects.ts'
import { hasCode } from '../../contract/errors.ts'
import type { ResourceMap } from '../plan/desired.ts'
import type { Cluster, Resource } from './cluster-port.ts'
import { inParallel } from './in-parallel.ts'

/** `${apiVersion} ${kind}` */
export function typeOf({ apiVersion, kind }: Pick<KubeObject, 'apiVersion' | 'kind'>): string {
  return `${apiVersion} ${kind}`
}

/**
 * How each kind among the objects is addressed. A group that does not answer is data (`broken`, with why): it does not stop the others.
 * @throws WaybillError CLUSTER_UNREACHABLE, CLUSTER_AUTH
 */
export async function resolveResources(
  cluster: Cluster,
  objects: readonly KubeObject[],
): Promise<{ readonly resources: ResourceMap; readonly broken: ReadonlyMap<string, string> }> {
  const types = new Map(objects.map((object) => [typeOf(object), object]))
  const resources = new Map<string, Resource | undefined>()
  const broken = new Map<string, string>()
  await inParallel([...types], 4, async ([type, { apiVersion, kind }]) => {
    try {
      resources.set(type, await cluster.resource(apiVersion, kind))
    } catch (error) {
      if (!hasCode(error, 'CLUSTER_FAILED')) throw error
      broken.set(type, error.message)
    }
  })
  return { resources, broken }
}
