import type { Observer } from '../metrics/observation.ts'

/** Whether this replica can do its work, or stands ready to take it over. */
export type Readiness = {
  readonly observe: Observer
  /** What is still missing; empty: ready. */
  missing(): readonly string[]
}

/** A replica that stands by is ready; one that works is so once it has its key, and the Deliveries and TrustPolicies are listed. */
export function createReadiness(): Readiness {
  const seen = { keys: false, watches: false, standsBy: false }
  return {
    observe: (what) => {
      if (what.kind === 'keys-loaded') seen.keys = true
      else if (what.kind === 'watches-listed') seen.watches = true
      else if (what.kind === 'leadership') {
        // Each term begins anew.
        Object.assign(seen, { keys: false, watches: false, standsBy: !what.leads })
      }
    },
    missing: () => {
      if (seen.standsBy) return []
      return [...(seen.keys ? [] : ['the key is not loaded']), ...(seen.watches ? [] : ['Deliveries are not listed'])]
    },
  }
}
