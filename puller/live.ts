import { isKubeObject, type KubeObject } from '../contract/objects.ts'
import { answerReason } from './answer.ts'
import type { Cluster } from './cluster-port.ts'
import type { DesiredObject } from './desired.ts'
import type { Account } from './plan-context.ts'
import type { Refusal } from './refusal.ts'
import { typeOf } from './resolve-resources.ts'
import { objectUrl } from './resources.ts'

/** An object as it is: `object`, or none of the three where there is none. */
export type Live = { readonly object?: KubeObject; readonly refusal?: Refusal; readonly failure?: Refusal }

/** Fields that only the server may fill in; an artifact that carries them would write past our guards. */
const SERVERS_OWN = ['uid', 'resourceVersion', 'managedFields', 'generateName', 'deletionTimestamp']

/** GET as the account. What cannot be looked at is a refusal (the account, the kind) or a failure (the server), not an exception. */
export async function lookAt(
  cluster: Cluster,
  account: Account,
  desired: DesiredObject,
  broken: ReadonlyMap<string, string>,
  signal: AbortSignal | undefined,
): Promise<Live> {
  const { object, resource, kindInSet, id, name } = desired
  const refuse = (code: Refusal['code'], message: string): Live => ({ refusal: { object: name, code, message } })
  const fail = (message: string): Live => ({ failure: { object: name, code: 'CLUSTER_FAILED', message } })
  const outage = broken.get(typeOf(object))
  if (outage !== undefined) return fail(outage)
  if (resource === undefined)
    return refuse('KIND_UNKNOWN', `the cluster does not know ${object.apiVersion} ${object.kind}`)
  const set = SERVERS_OWN.filter((field) => object.metadata[field] !== undefined)
  if (set.length > 0)
    return refuse('OBJECT_REFUSED', `an artifact cannot set ${set.map((f) => `metadata.${f}`).join(', ')}`)
  if (kindInSet) return {}
  if (id.name === '.' || id.name === '..') return refuse('OBJECT_REFUSED', 'not a name that Kubernetes takes')
  const answer = await cluster.request(account, {
    method: 'GET',
    path: objectUrl(resource, id),
    ...(signal !== undefined && { signal }),
  })
  if (answer.status === 200 && isKubeObject(answer.body)) return { object: answer.body }
  if (answer.status === 404) return {}
  if (answer.status === 403)
    return refuse('OBJECT_FORBIDDEN', `the service account may not get it: ${answerReason(answer)}`)
  return fail(answerReason(answer))
}
