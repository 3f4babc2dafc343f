import { isJsonObject } from '../../contract/canonical-json.ts'
import { WaybillError } from '../../contract/errors.ts'
import type { Account } from '../plan/plan-context.ts'
import { answerReason } from './answer.ts'
import type { Cluster, Identity, Resource } from './cluster-port.ts'

/**
 * Makes sure that the account exists (a deleted one can still be impersonated), that the puller may act as it, and that its
 * requests do arrive as it: a proxy that drops the header would have them made with the puller's own rights.
 * @throws WaybillError ACCOUNT_MISSING, ACCOUNT_FORBIDDEN, CLUSTER_FAILED
 */
export async function checkAccount(cluster: Cluster, account: Account): Promise<void> {
  const { namespace, serviceAccount } = account
  const who = `service account ${namespace}/${serviceAccount}`
  await accountExists(cluster, account)
  const self = await cluster.request(account, {
    method: 'POST',
    path: '/apis/authentication.k8s.io/v1/selfsubjectreviews',
    body: { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' },
  })
  if (self.status === 403) throw new WaybillError('ACCOUNT_FORBIDDEN', `the puller may not act as ${who}`)
  if (self.status !== 201) throw new WaybillError('CLUSTER_FAILED', `acting as ${who}: ${answerReason(self)}`)
  const { status } = self.body
  const user = isJsonObject(status) && isJsonObject(status.userInfo) ? status.userInfo.username : undefined
  if (user !== `system:serviceaccount:${namespace}:${serviceAccount}`)
    throw new WaybillError('ACCOUNT_FORBIDDEN', `requests made as ${who} arrive as somebody else`)
}

/** Connections over which a request was seen to arrive as the account that it was made as. */
const proven = new WeakSet<Cluster>()

/**
 * As checkAccount; that requests arrive as the account is a matter of the connection, and is asked once over each. Who may get a service
 * account may act as it: `waybill tenant` gives both or none.
 * @throws WaybillError ACCOUNT_MISSING, ACCOUNT_FORBIDDEN, CLUSTER_FAILED
 */
export async function meetAccount(cluster: Cluster, account: Account): Promise<void> {
  if (proven.has(cluster)) return accountExists(cluster, account)
  await checkAccount(cluster, account)
  proven.add(cluster)
}

/** A deleted account can still be impersonated. @throws WaybillError ACCOUNT_MISSING, ACCOUNT_FORBIDDEN, CLUSTER_FAILED */
export async function accountExists(cluster: Cluster, account: Account, signal?: AbortSignal): Promise<void> {
  const { namespace, serviceAccount } = account
  const who = `service account ${namespace}/${serviceAccount}`
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/serviceaccounts/${encodeURIComponent(serviceAccount)}`
  const found = await cluster.request('puller', { method: 'GET', path, ...(signal !== undefined && { signal }) })
  if (found.status === 404) throw new WaybillError('ACCOUNT_MISSING', `${who} does not exist`)
  if (found.status === 403) throw new WaybillError('ACCOUNT_FORBIDDEN', `the puller may not look at ${who}`)
  if (found.status !== 200) throw new WaybillError('CLUSTER_FAILED', `${who}: ${answerReason(found)}`)
}

export type AccessVerb = 'get' | 'list' | 'watch' | 'create' | 'patch' | 'delete'

/**
 * Asks, as the account itself, whether it may do this. Answers for `name` where the right is bound to names.
 * @throws WaybillError CLUSTER_FAILED
 */
export async function mayDo(
  cluster: Pick<Cluster, 'request'>,
  account: Identity,
  verb: AccessVerb,
  resource: Pick<Resource, 'group' | 'plural'>,
  at: { readonly namespace: string; readonly name?: string },
): Promise<boolean> {
  const { namespace, name = '' } = at
  const answer = await cluster.request(account, {
    method: 'POST',
    path: '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
    body: {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SelfSubjectAccessReview',
      spec: { resourceAttributes: { verb, group: resource.group, resource: resource.plural, namespace, name } },
    },
  })
  const { status } = answer.body
  if (answer.status === 201 && isJsonObject(status)) return status.allowed === true
  throw new WaybillError('CLUSTER_FAILED', `asking what the account may do: ${answerReason(answer)}`)
}

/** Asks each question once: a right that holds for all names is asked for without one first. */
export class AccessReviews {
  readonly #cluster: Cluster
  readonly #account: Account
  readonly #answers = new Map<string, Promise<boolean>>()

  constructor(cluster: Cluster, account: Account) {
    this.#cluster = cluster
    this.#account = account
  }

  /** @throws WaybillError CLUSTER_FAILED */
  async may(verb: AccessVerb, resource: Resource, namespace: string, name?: string): Promise<boolean> {
    const key = [verb, resource.group, resource.plural, namespace].join(' ')
    const all = this.#answers.get(key) ?? mayDo(this.#cluster, this.#account, verb, resource, { namespace })
    this.#answers.set(key, all)
    if (await all) return true
    return name !== undefined && mayDo(this.#cluster, this.#account, verb, resource, { namespace, name })
  }
}
