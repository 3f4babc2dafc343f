import type { Clock } from '../clock.ts'
import { mayDo } from '../cluster/access.ts'
import type { Cluster } from '../cluster/cluster-port.ts'
import type { Account } from '../plan/plan-context.ts'

const DELIVERIES = { group: 'waybill.dev', plural: 'deliveries' }

/** A right that was taken away counts for so long. */
const YES_MS = 300_000
/** A right that was given is seen after so long; meanwhile what wakes a Delivery again and again asks nothing. */
const NO_MS = 5_000
const ANSWERS_MAX = 512

/** Which Deliveries of other namespaces a Delivery's service account may get, as the API server answered; remembered for a while. */
export class Sight {
  readonly #answers = new Map<string, { readonly may: boolean; readonly untilMs: number }>()

  /** Those of its own namespace are not asked about. @throws WaybillError CLUSTER_FAILED */
  async maySee(
    { cluster, clock }: { readonly cluster: Pick<Cluster, 'request'>; readonly clock: Clock },
    account: Account,
    namespace: string,
    name: string,
  ): Promise<boolean> {
    if (namespace === account.namespace) return true
    const key = `${account.namespace}/${account.serviceAccount} ${namespace}/${name}`
    const known = this.#answers.get(key)
    if (known !== undefined && clock.monotonicMs() < known.untilMs) return known.may
    const may = await mayDo(cluster, account, 'get', DELIVERIES, { namespace, name })
    if (this.#answers.size >= ANSWERS_MAX) this.#answers.clear()
    this.#answers.set(key, { may, untilMs: clock.monotonicMs() + (may ? YES_MS : NO_MS) })
    return may
  }

  forget(): void {
    this.#answers.clear()
  }
}
