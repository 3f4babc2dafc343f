import { type Digest, parseDigest } from '../contract/digest.ts'
import { type ErrorCode, WaybillError } from '../contract/errors.ts'
import { parseRepository } from '../contract/reference.ts'
import { checkAccount } from './access.ts'
import { carryOut, type Job, type Result } from './carry-out.ts'
import { durationMs, timestamp, withJitter } from './clock.ts'
import { examine } from './examine.ts'
import { factsAbout, factsOfError, isSaid, seenOf, triggerOf } from './facts.ts'
import { cachedSource, type Fetched, fetchEnvironment, fetchRelease } from './fetch.ts'
import type { Delivery, RecordFacts, RecordSpec } from './kinds.ts'
import type { Ledger } from './ledger.ts'
import { type Said, sayError } from './message.ts'
import { policiesFor } from './observe.ts'
import type { Account } from './plan-context.ts'
import type { Turn } from './queue.ts'
import type { Refusal } from './refusal.ts'
import { environmentOf, type Resolved, resolve, sourceOf, verifyTarget } from './resolve.ts'
import { type PullAccess, readPullAccess } from './secrets.ts'
import type { Site } from './site.ts'
import type { Verified, VerifyTarget } from './verify.ts'

/** What Observe found: the Delivery as it asks, the account that everything is asked as, its access and its records. */
export type Observed = {
  readonly site: Site
  readonly delivery: Delivery
  readonly account: Account
  readonly access: PullAccess
  readonly ledger: Ledger
  readonly turn: Turn
  readonly progress: Job['progress']
}

/** How one reconcile ended, for the status and the queue. */
export type Ending = {
  /** What the source names; absent when it could not be asked. */
  readonly resolved?: Resolved
  readonly promotionSequence?: number
  /** Why what is asked for is not carried out. */
  readonly refusal?: Said
  /** What became of what is asked for, or of what ran before in its place; absent when there was nothing to keep. */
  readonly result?: Result
  /** `result` is about what ran before. */
  readonly kept: boolean
  /** How long the registry asked to be left alone. */
  readonly retryAfterMs?: number
}

/** One reconcile: Observe was done; Resolve → Verify → Fetch → Plan → Apply → Wait → Record. Errors: CLUSTER_*, DISK_*, RECORD_*. */
export async function reconcile(observed: Observed): Promise<Ending> {
  const { ledger } = observed
  if (ledger.summary.broken !== undefined) throw new WaybillError('RECORD_CHAIN_BROKEN', ledger.summary.broken)
  const asked = await ask(observed)
  if (asked.kind === 'fetched') {
    const result = await carryOut(askedJob(observed, asked))
    const about = { resolved: asked.resolved, ...sequenceOf(asked.verified) }
    if (result.kind !== 'refused') return { ...about, result, kept: false }
    await recordRefusal(observed, { ...asked, said: result.said, objects: result.objects })
    return { ...about, refusal: result.said, ...(await keep(observed, asked.resolved.digest)) }
  }
  const { resolved, said } = asked
  const about = { ...(resolved === undefined ? {} : { resolved }), ...patience(asked) }
  if (resolved !== undefined && resolved.digest === ledger.summary.current && isDistrust(said.code)) {
    await recordDistrust(observed, resolved.digest, said)
    return { ...about, refusal: said, kept: false }
  }
  await recordRefusal(observed, asked)
  const keepsSame = isOrder(said.code)
  return { ...about, refusal: said, ...(await keep(observed, keepsSame ? undefined : resolved?.digest)) }
}

type Asked =
  | { readonly kind: 'fetched'; readonly resolved: Resolved; readonly verified: Verified; readonly fetched: Fetched }
  | {
      readonly kind: 'not'
      readonly said: Said
      readonly retryAfterMs: number
      readonly resolved?: Resolved
      readonly verified?: Verified
    }

function patience({ retryAfterMs }: { readonly retryAfterMs: number }): Pick<Ending, 'retryAfterMs'> {
  return retryAfterMs > 0 ? { retryAfterMs } : {}
}

/** Resolve → Verify → Fetch of what the Delivery asks for. What is refused is an answer; faults of ours and of the disk are thrown. */
async function ask(observed: Observed): Promise<Asked> {
  const { delivery, ledger, site, access, turn } = observed
  const found: { resolved?: Resolved; verified?: Verified } = {}
  try {
    const sinceMs = Math.max(turn.askedAtMs, site.clock.nowMs() - durationMs(delivery.spec.interval) / 2)
    const resolved = await resolve(delivery.spec, {
      resolveTag: (repository, tag) => turn.outside(() => site.registries.resolveTag(access, repository, tag, sinceMs)),
    })
    found.resolved = resolved
    const target = verifyTarget(resolved, (digest) => ledger.summary.ran.has(parseDigest(digest)))
    const verified = await verifyHere(observed, target, { ordered: true })
    found.verified = verified
    return { kind: 'fetched', resolved, verified, fetched: await fetchHere(observed, verified) }
  } catch (error) {
    const seconds = error instanceof WaybillError ? (error.retryAfterSeconds ?? 0) : 0
    return { kind: 'not', said: refusalOf(error), retryAfterMs: seconds * 1000, ...found }
  }
}

const OURS: ReadonlySet<ErrorCode> = new Set(['INTERNAL', 'DISK_FULL', 'DISK_FAILED', 'RECORD_KEY'])

/** @throws the error itself where it is no answer of the registry, the artifact or a policy */
function refusalOf(error: unknown): Said {
  if (!(error instanceof WaybillError) || OURS.has(error.code) || error.code.startsWith('CLUSTER_')) throw error
  return sayError(error)
}

/** Verify, by the policies as they are now and by what the records say was seen. */
async function verifyHere(
  observed: Observed,
  target: VerifyTarget,
  how: { readonly ordered: boolean },
): Promise<Verified> {
  const { site, ledger, access } = observed
  const policies = policiesFor(site.policies(), [target.repository.repository, target.canonical])
  const seen = how.ordered ? seenOf(ledger.summary, target.canonical, target.channel) : { versions: {} }
  return examine(target, policies, seen, {
    registry: site.registries.reader(access, observed.turn.outside),
    cache: site.cache,
    access: cacheAccess(observed, target),
  })
}

function cacheAccess({ delivery, access }: Observed, target: VerifyTarget) {
  const reader = `${delivery.uid}\n${target.repository.repository}\n${access.credentialId}`
  return { reader, ran: target.ranBefore }
}

/** Fetch: takes what is verified and nothing else. */
async function fetchHere(observed: Observed, verified: Verified, environment?: string): Promise<Fetched> {
  const { site, access, delivery } = observed
  const source = cachedSource(
    site.registries.reader(access, observed.turn.outside),
    site.cache,
    cacheAccess(observed, verified),
  )
  const release = await fetchRelease(verified, source)
  return fetchEnvironment(release, environment ?? environmentOf(delivery.spec), source)
}

function askedJob(observed: Observed, asked: Extract<Asked, { kind: 'fetched' }>): Job {
  const { delivery, ledger } = observed
  const { resolved, verified, fetched } = asked
  const reason = verified.trusted.promotion?.reason
  const trigger = triggerOf(delivery, ledger.summary, { ...resolved, ...(reason === undefined ? {} : { reason }) })
  return {
    ...observed,
    fetched,
    role: 'asked',
    trigger,
    newer: (signal) => watchForNewer(fromOutside(observed), resolved, signal),
  }
}

function sequenceOf(verified: Verified): Pick<Ending, 'promotionSequence'> {
  return verified.promotion === undefined ? {} : { promotionSequence: verified.promotion.sequence }
}

/** For what runs beside a wait, which has given its place away already. */
function fromOutside(observed: Observed): Observed {
  return { ...observed, turn: { ...observed.turn, outside: (work) => work() } }
}

/** While a release is waited for, its channel is still polled: a newer verified digest takes its place. */
async function watchForNewer(observed: Observed, resolved: Resolved, signal: AbortSignal): Promise<string | undefined> {
  const { site, delivery, access, ledger } = observed
  const { channel, repository } = resolved
  if (resolved.via !== 'channel' || channel === undefined) return undefined
  const intervalMs = durationMs(delivery.spec.interval)
  while (!signal.aborted) {
    await site.clock.sleep(withJitter(intervalMs, site.clock), signal)
    if (signal.aborted) return undefined
    try {
      const sinceMs = site.clock.nowMs() - intervalMs / 2
      const digest = await site.registries.resolveTag(access, repository, channel, sinceMs)
      if (digest === resolved.digest) continue
      const target = verifyTarget({ ...resolved, digest }, (of) => ledger.summary.ran.has(parseDigest(of)))
      await verifyHere(observed, target, { ordered: true })
      return digest
    } catch (error) {
      site.log.debug({ err: error, delivery: delivery.name }, 'the source could not be asked during the wait')
    }
  }
  return undefined
}

/**
 * While what is asked for cannot be had, what ran before is compared and put back: verified again, as it was when it was
 * chosen, from the cache where need be. `not`: a digest that was refused just now.
 */
async function keep(observed: Observed, not: Digest | undefined): Promise<Pick<Ending, 'result' | 'kept'>> {
  const { ledger } = observed
  const { current } = ledger.summary
  if (current === undefined || current === not) return { kept: false }
  try {
    const basis = ledger.summary.records.findLast(({ digest, kind }) => digest === current && kind !== 'Refused')
    const verified = await verifyHere(observed, currentTarget(observed, current, basis), { ordered: false })
    const fetched = await fetchHere(observed, verified, basis?.environment)
    const trigger = triggerOf(observed.delivery, ledger.summary, { via: 'current' })
    const job: Job = { ...observed, fetched, role: 'current', trigger, newer: async () => undefined }
    return { result: await carryOut(job), kept: true }
  } catch (error) {
    const said = refusalOf(error)
    if (isDistrust(said.code)) await recordDistrust(observed, current, said)
    return { result: { kind: 'refused', said, objects: [] }, kept: true }
  }
}

function currentTarget({ delivery }: Observed, digest: Digest, basis: RecordSpec | undefined): VerifyTarget {
  const place = sourceOf(delivery.spec)
  const repository = basis?.source === undefined ? place.repository : parseRepository(basis.source.repository)
  const canonical = basis?.source === undefined ? place.canonical : (basis.source.mirrorOf ?? basis.source.repository)
  const channel = basis?.promotion?.channel
  return { repository, canonical, digest, ranBefore: true, ...(channel === undefined ? {} : { channel }) }
}

const ORDER: ReadonlySet<ErrorCode> = new Set(['PROMOTION_REPLAYED', 'PROMOTION_SEQUENCE_REUSED', 'VERSION_MOVED'])

/** A refusal of the move to a digest, which says nothing against a digest that runs. */
function isOrder(code: ErrorCode): boolean {
  return ORDER.has(code)
}

const DISTRUST: ReadonlySet<ErrorCode> = new Set([
  'POLICY_MISSING',
  'POLICY_INVALID',
  'FIELD_UNSUPPORTED',
  'SIGNATURE_MISSING',
  'SIGNER_UNTRUSTED',
  'SIGNER_RETIRED',
  'SIGNER_REVOKED',
  'PREDICATE_UNEXPECTED',
  'SUBJECT_MISMATCH',
  'PROVENANCE_MISSING',
  'PROVENANCE_INVALID',
  'PROVENANCE_SOURCE',
  'PROVENANCE_REF',
  'PROVENANCE_BUILDER',
  'PACKAGE_MISMATCH',
  'RELEASE_MISSING',
  'PROMOTION_MISSING',
])

/** The policies no longer let us believe in it. */
function isDistrust(code: ErrorCode): boolean {
  return DISTRUST.has(code)
}

/** Says once that what runs is no longer trusted. Nothing is written to users' objects from then on, and nothing is deleted. */
async function recordDistrust(observed: Observed, digest: Digest, said: Said): Promise<void> {
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
async function recordRefusal(
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

/** Observe's checks that need the cluster: the account exists and can be acted as, and its secrets can be read. */
export async function observeAccount(
  site: Site,
  delivery: Delivery,
): Promise<{ readonly account: Account; readonly access: PullAccess }> {
  const account = { namespace: delivery.namespace, serviceAccount: delivery.spec.serviceAccountName }
  await checkAccount(site.cluster, account)
  return { account, access: await readPullAccess(site.cluster, account, delivery.spec) }
}
