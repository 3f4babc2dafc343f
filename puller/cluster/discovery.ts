import { isJsonObject, type JsonObject } from '../../contract/canonical-json.ts'
import { WaybillError } from '../../contract/errors.ts'
import type { Cluster, Resource } from './cluster-port.ts'

const FRESH_MS = 600_000

/**
 * What kinds the server knows, one request for each apiVersion, asked as the puller. What is known is kept for ten minutes; a
 * kind that is not is asked for again each time, since a CRD may bring it at any moment.
 */
export class Discovery {
  readonly #cluster: Pick<Cluster, 'request'>
  readonly #known = new Map<
    string,
    { readonly kinds: Promise<ReadonlyMap<string, Resource>>; readonly until: number }
  >()

  constructor(cluster: Pick<Cluster, 'request'>) {
    this.#cluster = cluster
  }

  /** @throws WaybillError CLUSTER_FAILED when the group does not answer */
  async resource(apiVersion: string, kind: string, refresh: boolean): Promise<Resource | undefined> {
    const known = this.#known.get(apiVersion)
    if (!refresh && known !== undefined && Date.now() < known.until) {
      const found = (await known.kinds).get(kind)
      if (found !== undefined) return found
    }
    const kinds = listKinds(this.#cluster, apiVersion)
    this.#known.set(apiVersion, { kinds, until: Date.now() + FRESH_MS })
    try {
      return (await kinds).get(kind)
    } catch (error) {
      this.#known.delete(apiVersion)
      throw error
    }
  }
}

/** `/api/v1`, `/apis/apps/v1` */
export function groupVersionPath(apiVersion: string): string {
  const parts = apiVersion.split('/').map(encodeURIComponent)
  return parts.length === 1 ? `/api/${parts[0]}` : `/apis/${parts.join('/')}`
}

async function listKinds(
  cluster: Pick<Cluster, 'request'>,
  apiVersion: string,
): Promise<ReadonlyMap<string, Resource>> {
  const { status, body } = await cluster.request('puller', { method: 'GET', path: groupVersionPath(apiVersion) })
  if (status === 404) return new Map()
  if (status !== 200)
    throw new WaybillError('CLUSTER_FAILED', `the API group version ${apiVersion} does not answer (${status})`)
  const resources = Array.isArray(body.resources) ? body.resources.filter(isJsonObject) : []
  return new Map(resources.flatMap((resource) => entryOf(apiVersion, resource)))
}

/** Subresources (`deployments/scale`) are left out. */
function entryOf(apiVersion: string, { name, kind, namespaced }: JsonObject): [string, Resource][] {
  if (typeof name !== 'string' || name.includes('/') || typeof kind !== 'string') return []
  const slash = apiVersion.indexOf('/')
  const group = slash < 0 ? '' : apiVersion.slice(0, slash)
  return [[kind, { group, version: apiVersion.slice(slash + 1), kind, plural: name, namespaced: namespaced === true }]]
}
