import { isJsonObject, type JsonObject } from '../../contract/canonical-json.ts'
import { digestHex, digestOf } from '../../contract/digest.ts'
import { WaybillError } from '../../contract/errors.ts'

/** The times of an election, with the meaning that they have in client-go. Milliseconds. */
export type LeaseTimes = {
  /** How long a standby waits after it last saw the Lease change. */
  readonly leaseMs: number
  /** How long a leader goes on without a renewal that succeeded. */
  readonly renewDeadlineMs: number
  /** Between two attempts to take or to renew it. */
  readonly retryMs: number
}

export const LEASE_TIMES: LeaseTimes = { leaseMs: 15_000, renewDeadlineMs: 10_000, retryMs: 2_000 }

/** A standby waits up to 2.2 times the retry period, so that replicas do not stay in step. */
export const RETRY_JITTER = 1.2

/** @throws WaybillError USAGE unless lease > renew deadline > 1.2 × retry, as client-go asks */
export function checkLeaseTimes(times: LeaseTimes): LeaseTimes {
  const { leaseMs, renewDeadlineMs, retryMs } = times
  if (leaseMs < 1_000 || leaseMs <= renewDeadlineMs || renewDeadlineMs <= RETRY_JITTER * retryMs || retryMs <= 0)
    throw new WaybillError(
      'USAGE',
      'the lease duration must be longer than the renew deadline, and that longer than 1.2 times the retry period',
    )
  return times
}

/** The Lease of a puller: pullers of the same namespaces share one, and those of others are none of its business. */
export function leaseName(onlyNamespaces: readonly string[] | undefined): string {
  if (onlyNamespaces === undefined) return 'waybill-puller'
  const those = digestHex(digestOf(JSON.stringify([...new Set(onlyNamespaces)].sort())))
  return `waybill-puller-${those.slice(0, 10)}`
}

/** What a Lease (coordination.k8s.io/v1) says that an election goes by. Its times are another machine's and are only shown. */
type Held = { readonly holder: string; readonly leaseMs: number | undefined; readonly transitions: number }

/** Who holds a Lease; '' where it was given back. */
export function holderOf(lease: JsonObject): string {
  return heldOf(lease).holder
}

/** Who holds a Lease, '' where it was given back, and when by its holder's clock it was last renewed. */
export function leaseStands(lease: JsonObject): { readonly holder: string; readonly renewedAt: Date | undefined } {
  const { renewTime } = isJsonObject(lease.spec) ? lease.spec : ({} satisfies JsonObject)
  const ms = typeof renewTime === 'string' ? Date.parse(renewTime) : Number.NaN
  return { holder: holderOf(lease), renewedAt: Number.isNaN(ms) ? undefined : new Date(ms) }
}

/** A Lease as it was last seen, and when by our own monotonic clock its spec was first seen like that. */
export type Sighting = { readonly lease: JsonObject; readonly sinceMs: number }

/** What is seen now, after what was seen before: a spec that stands still keeps its age, whatever times are written in it. */
export function sight(before: Sighting | undefined, lease: JsonObject, atMs: number): Sighting {
  const isSame = before !== undefined && JSON.stringify(before.lease.spec) === JSON.stringify(lease.spec)
  return { lease, sinceMs: isSame ? before.sinceMs : atMs }
}

/** May `identity` take it: it was given back, is his already, or stood still for as long as it says that it lasts. */
export function mayTake({ lease, sinceMs }: Sighting, identity: string, atMs: number, times: LeaseTimes): boolean {
  const { holder, leaseMs = times.leaseMs } = heldOf(lease)
  return holder === '' || holder === identity || atMs - sinceMs >= leaseMs
}

export type Claim = {
  readonly name: string
  readonly namespace: string
  readonly identity: string
  readonly times: LeaseTimes
  /** Wall clock, milliseconds since 1970; for people to read. */
  readonly wallMs: number
}

/** The Lease as it is written to take or renew it; `lease` is what is there, with its resourceVersion. */
export function claimed(
  lease: JsonObject | undefined,
  { name, namespace, identity, times, wallMs }: Claim,
): JsonObject {
  const now = microTime(wallMs)
  const spec = isJsonObject(lease?.spec) ? lease.spec : {}
  const { holder, transitions } = lease === undefined ? { holder: '', transitions: 0 } : heldOf(lease)
  return {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: isJsonObject(lease?.metadata) ? lease.metadata : { name, namespace },
    spec: {
      ...spec,
      holderIdentity: identity,
      leaseDurationSeconds: Math.ceil(times.leaseMs / 1000),
      acquireTime: holder === identity ? (spec.acquireTime ?? now) : now,
      renewTime: now,
      leaseTransitions: holder === identity || lease === undefined ? transitions : transitions + 1,
    },
  }
}

/** The Lease as its holder gives it back: anybody may take it at once. */
export function givenBack(lease: JsonObject, wallMs: number): JsonObject {
  const now = microTime(wallMs)
  const spec = isJsonObject(lease.spec) ? lease.spec : {}
  return { ...lease, spec: { ...spec, holderIdentity: '', leaseDurationSeconds: 1, acquireTime: now, renewTime: now } }
}

function heldOf(lease: JsonObject): Held {
  const spec = isJsonObject(lease.spec) ? lease.spec : {}
  const { holderIdentity, leaseDurationSeconds: seconds, leaseTransitions } = spec
  return {
    holder: typeof holderIdentity === 'string' ? holderIdentity : '',
    leaseMs: typeof seconds === 'number' && seconds > 0 ? seconds * 1000 : undefined,
    transitions: typeof leaseTransitions === 'number' ? leaseTransitions : 0,
  }
}

/** `2026-11-21T10:00:00.000000Z`, as Kubernetes writes a MicroTime. */
function microTime(ms: number): string {
  return new Date(ms).toISOString().replace('Z', '000Z')
}
