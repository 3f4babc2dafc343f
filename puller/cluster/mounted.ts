import { readFileSync } from 'node:fs'
import { isIPv6 } from 'node:net'
import { join } from 'node:path'
import { WaybillError } from '../../contract/errors.ts'
import type { Observer } from '../metrics/observation.ts'
import { Access } from './cluster-access.ts'
import { type ConnectedCluster, clusterOver } from './cluster-requests.ts'

/** What a pod gets: a folder with `token` (which rotates), `ca.crt` and `namespace`, and where the API server is. */
export type ServiceAccountMount = { readonly directory: string; readonly host: string; readonly port: string }

/**
 * As connectCluster, with the mounted account. Needs no kubeconfig, and so not the library that reads one, which takes a third of an idle puller's memory.
 * @throws WaybillError CLUSTER_CONFIG
 */
export function connectMounted({ directory, host, port }: ServiceAccountMount, observe?: Observer): ConnectedCluster {
  const [tokenFile, caFile] = [join(directory, 'token'), join(directory, 'ca.crt')]
  const server = `https://${isIPv6(host) ? `[${host}]` : host}:${port}`
  try {
    // The certificates of the cluster do not rotate under a running pod; the token does, and is read by Access.
    const ca = readFileSync(caFile)
    readFileSync(tokenFile)
    const namespace = readFileSync(join(directory, 'namespace'), 'utf8').trim()
    const mounted = {
      applyToHTTPSOptions: async (options: { ca?: unknown }) => {
        options.ca = ca
      },
      getCurrentUser: () => ({ name: 'mounted', authProvider: { config: { tokenFile } } }),
      getCurrentCluster: () => null,
    }
    return clusterOver(new Access(mounted, observe), server, namespace)
  } catch (cause) {
    throw new WaybillError('CLUSTER_CONFIG', `${directory} cannot be read`, { cause })
  }
}
