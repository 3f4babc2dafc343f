import type { Json, JsonObject } from '../contract/canonical-json.ts'
import { hasCode, WaybillError } from '../contract/errors.ts'
import { connectCluster } from '../puller/cluster/cluster.ts'
import type { Cluster, ClusterAnswer } from '../puller/cluster/cluster-port.ts'
import { API_VERSION, type Delivery } from '../puller/kinds.ts'
import { DELIVERIES_PATH, deliveryPath, parseDelivery } from '../puller/observe.ts'
import { type Flags, pathFrom } from './flags.ts'
import type { Context } from './verb.ts'

/** The cluster that the flags name, asked as the person at the keyboard; closed at the end of its scope (`await using`). */
export type OpenCluster = AsyncDisposable & {
  readonly cluster: Cluster
  /** -n, or the namespace of the context. */
  readonly namespace: string
}

/** `anyCluster`: Waybill need not be in it. @throws WaybillError CLUSTER_CONFIG, CLUSTER_UNREACHABLE, CLUSTER_AUTH, CLUSTER_NOT_INSTALLED */
export async function openCluster(
  flags: Flags,
  { cwd }: Context,
  { anyCluster = false }: { readonly anyCluster?: boolean } = {},
): Promise<OpenCluster> {
  const kubeconfig = flags.text('kubeconfig')
  const context = flags.text('context')
  const cluster = connectCluster({
    ...(kubeconfig === undefined ? {} : { kubeconfig: pathFrom(cwd, kubeconfig) }),
    ...(context === undefined ? {} : { context }),
  })
  const close = () => cluster.close()
  try {
    if ((await cluster.resource(API_VERSION, 'Delivery')) === undefined && !anyCluster)
      throw new WaybillError('CLUSTER_NOT_INSTALLED', `${cluster.server} does not know Waybill's kinds`)
  } catch (error) {
    await close()
    throw error
  }
  return { cluster, namespace: flags.text('namespace') ?? cluster.defaultNamespace, [Symbol.asyncDispose]: close }
}

/** A Delivery as the API server has it. @throws WaybillError CLUSTER_NOT_FOUND, CLUSTER_FORBIDDEN, CLUSTER_FAILED */
export async function readDelivery(cluster: Cluster, namespace: string, name: string): Promise<JsonObject> {
  const answer = await cluster.request('puller', { method: 'GET', path: deliveryPath(namespace, name) })
  return expectOk(answer, `Delivery ${namespace}/${name}`)
}

const editsMax = 8

/**
 * Reads a Delivery and edits it with `edit`, which is guarded by the resourceVersion that was read. The puller writes its
 * status into the same object, so an edit that comes too late is made again on what is there now, a few times; not when
 * somebody else edited the spec meanwhile.
 * @throws WaybillError as `readDelivery` and `edit` do
 */
export async function editDelivery<T>(
  cluster: Cluster,
  namespace: string,
  name: string,
  edit: (delivery: Delivery) => Promise<T>,
): Promise<T> {
  const read = async () => parseDelivery(await readDelivery(cluster, namespace, name))
  let delivery = await read()
  for (let left = editsMax; ; left--) {
    try {
      return await edit(delivery)
    } catch (error) {
      if (left <= 1 || !hasCode(error, 'CLUSTER_CONFLICT')) throw error
      const { uid, generation } = delivery
      delivery = await read()
      if (delivery.uid !== uid || delivery.generation !== generation) throw error
    }
  }
}

/** The Deliveries of one namespace, or of all. Errors as `readDelivery`. */
export async function readDeliveries(cluster: Cluster, namespace: string | undefined): Promise<readonly Json[]> {
  const path =
    namespace === undefined
      ? DELIVERIES_PATH
      : `/apis/${API_VERSION}/namespaces/${encodeURIComponent(namespace)}/deliveries`
  const { items } = expectOk(await cluster.request('puller', { method: 'GET', path }), 'the Deliveries')
  return Array.isArray(items) ? items : []
}

function expectOk({ status, body }: ClusterAnswer, what: string): JsonObject {
  if (status === 200) return body
  if (status === 404) throw new WaybillError('CLUSTER_NOT_FOUND', `${what}: there is none`)
  if (status === 403) throw new WaybillError('CLUSTER_FORBIDDEN', `${what}: you may not read it`)
  throw new WaybillError('CLUSTER_FAILED', `${what}: the API server answered ${status}`)
}
