import { parseDigest } from '../../contract/digest.ts'
import { type ErrorCode, WaybillError } from '../../contract/errors.ts'
import type { TagLister, TagResolver } from '../../contract/registry/registry.ts'
import { requireCovered, requireMirror } from '../../contract/trust/trust.ts'
import { durationMs, withJitter } from '../clock.ts'
import type { Delivery } from '../kinds.ts'
import type { Memory } from '../loop/memory.ts'
import type { Turn } from '../loop/queue.ts'
import { boundedMessage, type Said, sayError } from '../message.ts'
import { timed } from '../metrics/observation.ts'
import { policiesFor } from '../observe.ts'
import type { Account } from '../plan/plan-context.ts'
import type { Ledger } from '../records/ledger.ts'
import { nextTimeMs } from '../schedule.ts'
import type { Site } from '../site.ts'
import { dueSinceMs, rememberedTags, scheduleOf } from '../source/due.ts'
import { examine } from '../source/examine.ts'
import { cachedSource, type Fetched, fetchEnvironment, fetchRelease } from '../source/fetch.ts'
import { environmentOf, type Resolved, resolve, sourceOf, verifyTarget } from '../source/resolve.ts'
import type { PullAccess } from '../source/secrets.ts'
import type { Verified, VerifyTarget } from '../source/verify.ts'
import { basisOf, seenOf } from './facts.ts'
import type { Job } from './job.ts'

/** What Observe found: the Delivery as it asks, the account that everything is asked as, its access and its records. */
export type Observed = {
  readonly site: Site
  readonly delivery: Delivery
  readonly account: Account
  readonly access: PullAccess
  readonly ledger: Ledger
  readonly turn: Turn
  readonly progress: Job['progress']
  readonly memory?: Memory
}

/** What Verify and Fetch need of it. */
export type Reading = Pick<Observed, 'delivery' | 'access' | 'turn' | 'memory'> & {
  readonly site: Pick<Site, 'policies' | 'registries' | 'cache'> & Partial<Pick<Site, 'clock' | 'observe'>>
  readonly ledger: Pick<Ledger, 'summary'>
}

/** What came of Resolve, Verify and Fetch. */
export type Asked =
  | { readonly kind: 'fetched'; readonly resolved: Resolved; readonly verified: Verified; readonly fetched: Fetched }
  | {
      readonly kind: 'not'
      readonly said: Said
      readonly retryAfterMs: number
      readonly resolved?: Resolved
      readonly verified?: Verified
    }

/** Resolve → Verify → Fetch of what the Delivery asks for. What is refused, or cannot be had, is an answer; faults of ours are thrown. */
export async function ask(observed: Observed): Promise<Asked> {
  const { delivery, ledger } = observed
  const found: { resolved?: Resolved; verified?: Verified } = {}
  const before = observed.memory?.askedBefore(observed.site.clock.monotonicMs())
  if (before?.kind === 'not') return before
  try {
    if (before === undefined) requirePolicy(observed)
    const resolved =
      before?.resolved ?? (await timed(observed.site, 'resolve', () => resolve(delivery.spec, tags(observed))))
    found.resolved = resolved
    const target = verifyTarget(resolved, (digest) => ledger.summary.ran.has(parseDigest(digest)))
    const verified = await verifyHere(observed, target, { ordered: true })
    found.verified = verified
    return { kind: 'fetched', resolved, verified, fetched: await fetchHere(observed, verified) }
  } catch (error) {
    const seconds = error instanceof WaybillError ? (error.retryAfterSeconds ?? 0) : 0
    return { kind: 'not', said: named(found.resolved, refusalOf(error)), retryAfterMs: seconds * 1000, ...found }
  }
}

/**
 * Whoever may write a Delivery says which host is asked for tags: none is, before somebody said whom to trust for the package, unless what runs
 * here is from there; then what became of it is told. Nor is a mirror that the policies do not name.
 */
function requirePolicy({ site, delivery, ledger }: Observed): void {
  const { repository, canonical } = sourceOf(delivery.spec)
  if (repository.repository !== canonical)
    requireMirror(policiesFor(site.policies(), [canonical]), { repository: repository.repository, canonical })
  const { current } = ledger.summary
  const ran = current === undefined ? undefined : basisOf(ledger.summary, current)?.source?.repository
  if (ran === repository.repository) return
  requireCovered(policiesFor(site.policies(), [repository.repository, canonical]), canonical)
}

/** Where a range chose the tag, people are told which. */
function named(resolved: Resolved | undefined, said: Said): Said {
  if (resolved?.release === undefined) return said
  const { code, message } = said
  return { code, message: boundedMessage(`${resolved.repository.repository}:${resolved.release.version}: ${message}`) }
}

/** The registry's tags, or between the times of a schedule those of the last time. */
function tags({ delivery, site, access, turn }: Observed): TagResolver & TagLister {
  const nowMs = site.clock.nowMs()
  const dueMs = dueSinceMs(delivery, nowMs)
  if (dueMs === undefined) return rememberedTags(delivery)
  const sinceMs = Math.max(dueMs, turn.askedAtMs, nowMs - durationMs(delivery.spec.interval) / 2)
  return site.registries.polls(access, turn, sinceMs)
}

const OURS: ReadonlySet<ErrorCode> = new Set(['INTERNAL', 'RECORD_KEY'])

/** @throws the error itself where it is no answer of the registry, the disk, the artifact or a policy */
export function refusalOf(error: unknown): Said {
  if (!(error instanceof WaybillError) || OURS.has(error.code) || error.code.startsWith('CLUSTER_')) throw error
  return sayError(error)
}

/** Verify, by the policies as they are now and by what the records say was seen. */
export async function verifyHere(
  observed: Reading,
  target: VerifyTarget,
  how: { readonly ordered: boolean },
): Promise<Verified> {
  const { site, ledger, access } = observed
  const question = JSON.stringify([target, how, ledger.summary.head?.hash ?? ''])
  const known = observed.memory?.books?.verified.get(question)
  if (known !== undefined) return known
  const policies = policiesFor(site.policies(), [target.repository.repository, target.canonical])
  const seen = how.ordered ? seenOf(ledger.summary, target) : { versions: {} }
  const verified = await examined(site, () =>
    examine(target, policies, seen, {
      registry: site.registries.reader(access, observed.turn),
      cache: site.cache,
      access: cacheAccess(observed, target),
    }),
  )
  observed.memory?.books?.verified.set(question, verified)
  return verified
}

async function examined(site: Reading['site'], work: () => Promise<Verified>): Promise<Verified> {
  let code: ErrorCode | 'OK' = 'INTERNAL'
  try {
    const verified = await timed(site, 'verify', work)
    code = 'OK'
    return verified
  } catch (error) {
    code = sayError(error).code
    throw error
  } finally {
    site.observe?.({ kind: 'verification', code })
  }
}

function cacheAccess({ delivery, access }: Reading, target: VerifyTarget) {
  const reader = `${delivery.uid}\n${target.repository.repository}\n${access.credentialId}`
  return { reader, ran: target.ranBefore }
}

/** Fetch: takes what is verified and nothing else. */
export async function fetchHere(observed: Reading, verified: Verified, environment?: string): Promise<Fetched> {
  const { site, access, delivery } = observed
  const source = cachedSource(
    site.registries.reader(access, observed.turn),
    site.cache,
    cacheAccess(observed, verified),
  )
  const wanted = environment ?? environmentOf(delivery.spec)
  const { digest, repository, canonical, trusted } = verified
  const content = JSON.stringify([digest, repository.repository, canonical, trusted.provenance?.revision ?? '', wanted])
  const known = observed.memory?.books?.fetched.get(content)
  if (known !== undefined) return { ...known, verified }
  const fetched = await timed(site, 'fetch', async () =>
    fetchEnvironment(await fetchRelease(verified, source), wanted, source),
  )
  observed.memory?.books?.fetched.set(content, fetched)
  return fetched
}

/** For what runs beside a wait, which has given its place away already; until `signal`. */
export function fromOutside(observed: Observed, signal: AbortSignal): Observed {
  return { ...observed, turn: { ...observed.turn, signal, outside: (work) => work() } }
}

/** While a release is waited for, its source is still polled: a newer verified digest takes its place, where `mayMove` says so. */
export async function watchForNewer(
  observed: Observed,
  resolved: Resolved,
  mayMove: () => boolean,
): Promise<string | undefined> {
  const { site, delivery, access, ledger, turn } = observed
  const { signal } = turn
  if (resolved.via !== 'channel' && resolved.via !== 'version') return undefined
  const intervalMs = durationMs(delivery.spec.interval)
  const schedule = scheduleOf(delivery)
  let nextMs = schedule === undefined ? 0 : nextTimeMs(schedule, site.clock.nowMs())
  while (!signal.aborted) {
    await site.clock.sleep(withJitter(intervalMs, site.clock), signal)
    if (signal.aborted) return undefined
    if (site.clock.nowMs() < nextMs || !mayMove()) continue
    try {
      const sinceMs = Math.max(nextMs, site.clock.nowMs() - intervalMs / 2)
      if (schedule !== undefined) nextMs = nextTimeMs(schedule, site.clock.nowMs())
      const newer = await resolve(delivery.spec, site.registries.polls(access, turn, sinceMs))
      if (newer.digest === resolved.digest) continue
      const target = verifyTarget(newer, (of) => ledger.summary.ran.has(parseDigest(of)))
      await verifyHere(observed, target, { ordered: true })
      return newer.digest
    } catch (error) {
      site.log.debug({ err: error, delivery: delivery.name }, 'the source could not be asked during the wait')
    }
  }
  return undefined
}
