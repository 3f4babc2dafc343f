import { type Digest, digestOf, parseDigest } from '../../contract/digest.ts'
import type { TagLister, TagResolver } from '../../contract/registry/registry.ts'
import { ANNOTATION, type Delivery, type DeliveryStatus } from '../kinds.ts'
import { nextTimeMs, type Schedule } from '../schedule.ts'

/** Everything here is pure: when the source of a Delivery with a schedule is asked, and what it is taken to say between those times. */

type LastAsked = NonNullable<DeliveryStatus['schedule']>

export function scheduleOf({ spec }: Pick<Delivery, 'spec'>): Schedule | undefined {
  const { schedule: expression, timeZone = 'UTC' } = spec
  return expression === undefined ? undefined : { expression, timeZone }
}

/**
 * Since when the source is to be asked, in milliseconds since 1970; undefined while it is not. Without a schedule, and where it was never
 * asked for this generation of the spec or this wish of a person, or only at a time that is yet to come: from the beginning of time.
 */
export function dueSinceMs(delivery: Delivery, nowMs: number): number | undefined {
  const schedule = scheduleOf(delivery)
  const { schedule: last, resolved } = delivery.status
  if (schedule === undefined || last === undefined || resolved === undefined) return 0
  if (last.generation !== delivery.generation || last.request !== requestOf(delivery)) return 0
  const lastMs = Date.parse(last.askedAt)
  if (Number.isNaN(lastMs) || lastMs > nowMs) return 0
  const nextMs = nextTimeMs(schedule, lastMs)
  return nextMs <= nowMs ? nextMs : undefined
}

/** What the status remembers that the source was asked. */
export function askedNow(delivery: Delivery, schedule: Schedule, atMs: number): LastAsked {
  const request = requestOf(delivery)
  return {
    askedAt: wholeSeconds(atMs),
    nextAt: wholeSeconds(nextTimeMs(schedule, atMs)),
    generation: delivery.generation,
    ...(request === undefined ? {} : { request }),
  }
}

/**
 * Tags as they were when the source was last asked. The status can be trusted as little as a registry, and is trusted with as little: what
 * a digest is, signed statements and the records say.
 */
export function rememberedTags({ status: { resolved } }: Pick<Delivery, 'status'>): TagResolver & TagLister {
  return {
    resolveTag: async () => parseDigest(resolved?.digest ?? ''),
    listTags: async () => (resolved?.version === undefined ? [] : [resolved.version]),
  }
}

function requestOf({ annotations }: Pick<Delivery, 'annotations'>): Digest | undefined {
  const request = annotations[ANNOTATION.reconcile]
  return request === undefined ? undefined : digestOf(request)
}

function wholeSeconds(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`
}
