import { isKubeObject, type KubeObject } from '../../contract/artifact/objects.ts'
import { hasCode } from '../../contract/errors.ts'
import { answerReason } from '../cluster/answer.ts'
import type { Cluster, ClusterAnswer } from '../cluster/cluster-port.ts'
import { typeOf } from '../cluster/resolve-resources.ts'
import { objectUrl, resourceOfKind } from '../cluster/resources.ts'
import type { DesiredObject } from './desired.ts'
import type { Account } from './plan-context.ts'
import type { Refusal } from './refusal.ts'

/** An object as it is: `object`, or none of the three where there is none. */
export type Live = { readonly object?: KubeObject; readonly refusal?: Refusal; readonly failure?: Refusal }

/** Fields that only the server may fill in; an artifact that carries them would write past our guards. */
const SERVERS_OWN = ['uid', 'resourceVersion', 'managedFields', 'generateName', 'deletionTimestamp']

/** Why an object is not even to be asked for; undefined: it is. Pure. */
export function unfitFor(desired: DesiredObject, broken: ReadonlyMap<string, string>): Live | undefined {
  const { object, resource, id, name } = desired
  const refuse = (code: Refusal['code'], message: string): Live => ({ refusal: { object: name, code, message } })
  const outage = broken.get(typeOf(object))
  if (outage !== undefined) return { failure: { object: name, code: 'CLUSTER_FAILED', message: outage } }
  if (resource === undefined)
    return refuse('KIND_UNKNOWN', `the cluster does not know ${object.apiVersion} ${object.kind}`)
  const set = SERVERS_OWN.filter((field) => object.metadata[field] !== undefined)
  if (set.length > 0)
    return refuse('OBJECT_REFUSED', `an artifact cannot set ${set.map((f) => `metadata.${f}`).join(', ')}`)
  if (id.name === '.' || id.name === '..') return refuse('OBJECT_REFUSED', 'not a name that Kubernetes takes')
  return undefined
}

/** GET as the account. What cannot be looked at is a refusal (the account, the kind) or a failure (the server), not an exception. */
export async function lookAt(
  cluster: Cluster,
  account: Account,
  desired: DesiredObject,
  broken: ReadonlyMap<string, string>,
  signal: AbortSignal | undefined,
): Promise<Live> {
  const { resource, kindInSet, id, name } = desired
  const unfit = unfitFor(desired, broken)
  if (unfit !== undefined) return unfit
  try {
    // A version that only the set's CRD will serve: the object may be there in one that is served now.
    const served = kindInSet ? await resourceOfKind(cluster, id.group, id.kind) : resource
    if (served === undefined) return {}
    return judgeLook(desired, await getObject(cluster, account, objectUrl(served, id), signal))
  } catch (error) {
    if (hasCode(error, 'CLUSTER_FAILED'))
      return { failure: { object: name, code: 'CLUSTER_FAILED', message: error.message } }
    throw error
  }
}

function getObject(cluster: Cluster, account: Account, path: string, signal: AbortSignal | undefined) {
  return cluster.request(account, { method: 'GET', path, ...(signal !== undefined && { signal }) })
}

function judgeLook({ name }: DesiredObject, answer: ClusterAnswer): Live {
  if (answer.status === 200 && isKubeObject(answer.body)) return { object: answer.body }
  if (answer.status === 404) return {}
  const said = answerReason(answer)
  if (answer.status !== 403) return { failure: { object: name, code: 'CLUSTER_FAILED', message: said } }
  return { refusal: { object: name, code: 'OBJECT_FORBIDDEN', message: `the service account may not get it: ${said}` } }
}
