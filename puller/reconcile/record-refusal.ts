import type { Digest } from '../../contract/digest.ts'
import { WaybillError } from '../../contract/errors.ts'
import { timestamp } from '../clock.ts'
import type { RecordFacts } from '../kinds.ts'
import type { Said } from '../message.ts'
import type { Refusal } from '../plan/refusal.ts'
import type { Fetched } from '../source/fetch.ts'
import type { Resolved } from '../source/resolve.ts'
import type { Verified } from '../source/verify.ts'
import type { Observed } from './ask.ts'
import { factsAbout, factsOfError, isSaid, triggerOf } from './facts.ts'

/** Says once that what runs is no longer trusted. Nothing is written to users' objects from then on, and nothing is deleted. */
export async function recordDistrust(observed: Observed, digest: Digest, said: Said): Promise<void> {
  const { ledger, delivery, site } = observed
  const facts: RecordFacts = {
    ...factsAbout(delivery, { digest }),
    kind: 'TrustChanged',
    trigger: { type: 'trust', generation: delivery.generation },
    ...factsOfError(said),
    startedAt: timestamp(site.clock),
  }
  if (!isSaid(ledger.summary, facts)) await ledger.append(facts)
}

/** Records what was refused before any write, once. What a registry could not answer is no refusal: it is only in the status. */
export async function recordRefusal(
  observed: Observed,
  refused: {
    readonly said: Said
    readonly objects?: readonly Refusal[]
    readonly resolved?: Resolved
    readonly verified?: Verified
    readonly fetched?: Fetched
  },
): Promise<void> {
  const { ledger, delivery, site } = observed
  const { said, objects, resolved, verified, fetched } = refused
  if (new WaybillError(said.code, '').exit !== 3) return
  const facts: RecordFacts = {
    ...factsAbout(delivery, {
      ...(resolved === undefined ? {} : { digest: resolved.digest }),
      ...(verified === undefined ? {} : { verified }),
      ...(fetched === undefined ? {} : { fetched }),
    }),
    ...(resolved?.release === undefined ? {} : { version: resolved.release.version }),
    kind: 'Refused',
    trigger: triggerOf(delivery, ledger.summary, resolved ?? { via: 'current' }),
    ...factsOfError(
      said,
      objects?.map(({ object, code, message }) => ({ object, code, message: message.slice(0, 512) })),
    ),
    startedAt: timestamp(site.clock),
  }
  if (!isSaid(ledger.summary, facts)) await ledger.append(facts)
}
