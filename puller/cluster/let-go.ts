import { WaybillError } from '../../contract/errors.ts'
import type { Clock } from '../clock.ts'
import type { ConnectedCluster } from './cluster-requests.ts'

/**
 * The cluster for a process that is told to end by `signal`: what is still in flight `graceMs` later is given up, and nothing is asked any
 * more. Until then everything goes on, so that a write that is answered is put on record. What was given up may still be carried out.
 * @throws WaybillError CLUSTER_UNREACHABLE after that, besides what `cluster` throws
 */
export function letGo(
  cluster: ConnectedCluster,
  signal: AbortSignal,
  { clock, graceMs }: { readonly clock: Clock; readonly graceMs: number },
): ConnectedCluster {
  const closed = new AbortController()
  const over = new AbortController()
  const begin = () => void clock.sleep(graceMs, closed.signal).then(() => over.abort())
  if (signal.aborted) begin()
  else signal.addEventListener('abort', begin, { once: true })
  const ending = (own: AbortSignal | undefined) =>
    own === undefined ? over.signal : AbortSignal.any([own, over.signal])
  return {
    ...cluster,
    request: async (as, request) => {
      if (over.signal.aborted) throw ended()
      return cluster.request(as, { ...request, signal: ending(request.signal) })
    },
    watch: (as, request) => cluster.watch(as, { ...request, signal: ending(request.signal) }),
    // What is found out of a kind is shared by all who ask for it, so no one's signal ends it.
    resource: (...asked) => orEnd(cluster.resource(...asked), over.signal),
    close: async () => {
      signal.removeEventListener('abort', begin)
      closed.abort()
      await cluster.close()
    },
  }
}

async function orEnd<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>()
  const end = () => reject(ended())
  if (signal.aborted) end()
  else signal.addEventListener('abort', end, { once: true })
  try {
    return await Promise.race([work, promise])
  } finally {
    signal.removeEventListener('abort', end)
  }
}

function ended(): WaybillError {
  return new WaybillError('CLUSTER_UNREACHABLE', 'no answer came before the puller had to end')
}
