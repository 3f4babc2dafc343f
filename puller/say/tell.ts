import type { Delivery, DeliveryStatus } from '../kinds.ts'
import { secondsSince } from '../metrics/observation.ts'
import type { DeliveryHeader } from '../observe.ts'
import type { Ending } from '../reconcile/reconcile.ts'
import type { Ledger } from '../records/ledger.ts'
import type { Site } from '../site.ts'
import type { Finding } from './status.ts'

/** Tells the log, and whoever listens outside, what one look came to. */
export class Telling {
  readonly #site: Site
  readonly #startMs: number
  #header: DeliveryHeader | undefined
  #ledger: Ledger | undefined
  #recordsBefore = 0

  constructor(site: Site) {
    this.#site = site
    this.#startMs = site.clock.nowMs()
  }

  /** The records are open, and nothing was written to them by this look. */
  opened(header: DeliveryHeader, ledger: Ledger): void {
    this.#header = header
    this.#ledger = ledger
    this.#recordsBefore = ledger.summary.head?.sequence ?? 0
  }

  /** @throws WaybillError CLUSTER_* where new notifications cannot be written down */
  async begin(delivery: Delivery): Promise<void> {
    if (this.#ledger !== undefined) await this.#site.outside?.begin(delivery, this.#ledger.summary)
  }

  /** The status was written, or already said it. */
  reported(header: DeliveryHeader, before: DeliveryStatus, next: DeliveryStatus): void {
    this.#site.outside?.said(header, before, next)
  }

  /**
   * One line for each outcome: something was recorded, or Ready says something else than before. A look that finds the same says so only to
   * who debugs.
   */
  outcome(
    said: Finding['ready'],
    about: { readonly ending?: Ending; readonly header?: DeliveryHeader; readonly fault?: unknown } = {},
  ): void {
    const { log } = this.#site
    const { ending: { resolved, result } = {}, header = this.#header } = about
    const fields = {
      ...(header === undefined ? {} : { delivery: `${header.namespace}/${header.name}` }),
      ...(resolved === undefined ? {} : { digest: resolved.digest }),
      ...(result === undefined ? {} : { result: result.kind }),
      reason: said.reason,
      ready: said.status,
    }
    if (said.reason === 'INTERNAL') log.error({ ...fields, err: about.fault }, 'an unexpected fault')
    else if (!this.#isNews(said)) log.debug(fields, said.message)
    else if (said.status === 'True') log.info(fields, said.message)
    else log.warn(fields, said.message)
  }

  #isNews(said: Finding['ready']): boolean {
    const before = this.#header?.status.conditions?.find(({ type }) => type === 'Ready')
    return (
      (this.#ledger?.summary.head?.sequence ?? 0) !== this.#recordsBefore ||
      before?.status !== said.status ||
      before.reason !== said.reason ||
      before.message !== said.message
    )
  }

  /** The look is over, whatever came of it. */
  end(ready: 'True' | 'False' | 'Unknown'): void {
    const { observe, outside, clock } = this.#site
    observe?.({ kind: 'look', ready, seconds: secondsSince(clock, this.#startMs) })
    if (this.#header !== undefined && this.#ledger !== undefined) outside?.looked(this.#header, this.#ledger.summary)
  }
}
