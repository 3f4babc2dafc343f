import { accessSync, constants, readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { isIPv6 } from 'node:net'
import { join } from 'node:path'
import { WaybillError } from '../../contract/errors.ts'
import { Access, type ClusterAccess, type Credentials } from './cluster-access.ts'
import { type ConnectedCluster, clusterOver } from './cluster-requests.ts'

/** What a pod gets: a folder with `token` (which rotates), `ca.crt` and `namespace`, and where the API server is. */
export type ServiceAccountMount = { readonly directory: string; readonly host: string; readonly port: string }

/** What Access asks for, out of the folder as it is now: tokens rotate, and so do the certificates of a cluster. */
export function mountedCredentials(directory: string): Credentials {
  return {
    applyToHTTPSOptions: async (options) => {
      options.ca = await readFile(join(directory, 'ca.crt'))
    },
    getCurrentUser: () => ({ name: 'mounted', authProvider: { config: { tokenFile: join(directory, 'token') } } }),
    getCurrentCluster: () => null,
  }
}

/**
 * As connectCluster, with the mounted account. Needs no kubeconfig, and so not the library that reads one, which takes a third of an idle puller's memory.
 * @throws WaybillError CLUSTER_CONFIG
 */
export function connectMounted(
  { directory, host, port }: ServiceAccountMount,
  options: Pick<ClusterAccess, 'observe' | 'namesDeliveries'> = {},
): ConnectedCluster {
  const server = `https://${isIPv6(host) ? `[${host}]` : host}:${port}`
  try {
    for (const name of ['token', 'ca.crt']) accessSync(join(directory, name), constants.R_OK)
    const namespace = readFileSync(join(directory, 'namespace'), 'utf8').trim()
    return clusterOver(new Access(mountedCredentials(directory), options), server, namespace)
  } catch (cause) {
    throw new WaybillError('CLUSTER_CONFIG', `${directory} cannot be read`, { cause })
  }
}
