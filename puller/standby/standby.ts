import { isJsonObject, type JsonObject } from '../../contract/canonical-json.ts'
import { WaybillError } from '../../contract/errors.ts'
import { follow } from '../cluster/watch.ts'
import { tidyUntil } from '../loop/loop.ts'
import { createQueue, type NextRun, type Turn } from '../loop/queue.ts'
import { type Said, sayError } from '../message.ts'
import { DELIVERIES_PATH, type PolicySet, parsePolicies, TRUST_POLICIES_PATH } from '../observe.ts'
import { type StandbySite, warm } from './warm.ts'

/** Deliveries that are warmed at a time: a standby is in no hurry, and the leader has to have the line. */
const AT_ONCE = 2
/** All is read and verified again this often: what the cache lost comes back, and what is needed counts as used. */
const AGAIN: NextRun = { kind: 'after', ms: 3_600_000 }

/** One Delivery as this standby knows it. */
type Kept = {
  object: JsonObject
  /** What is held ready for it. */
  readonly known: Set<string>
  askedAtMs: number
  said: string
}

/**
 * Follows Deliveries and TrustPolicies, and holds ready what each Delivery may need, until `signal` aborts. Never throws: a standby that
 * cannot do this can still lead, and says why it is not ready for a registry that is down.
 */
export async function standBy(
  site: Omit<StandbySite, 'policies'>,
  { onlyNamespaces, signal }: { readonly onlyNamespaces: readonly string[] | undefined; readonly signal: AbortSignal },
): Promise<void> {
  const all = new Map<string, Kept>()
  let policies: PolicySet | undefined
  const full: StandbySite = { ...site, policies: () => policies ?? { policies: [], invalid: [] } }
  const say = (id: string, kept: Kept, { code, message }: Said): void => {
    if (kept.said !== message) site.log.warn({ delivery: id, code }, `not held ready: ${message}`)
    kept.said = message
  }
  const run = async (id: string, turn: Turn): Promise<NextRun> => {
    const kept = all.get(id)
    if (kept === undefined) return { kind: 'never' }
    if (turn.attempt === 1 && kept.askedAtMs === turn.askedAtMs) kept.known.clear()
    kept.askedAtMs = turn.askedAtMs
    try {
      const missed = await warm(full, kept.object, turn, kept.known)
      for (const one of missed) say(id, kept, one)
      if (missed.length === 0) kept.said = ''
      return missed.some(({ code }) => new WaybillError(code, '').retry === 'later') ? { kind: 'backoff' } : AGAIN
    } catch (error) {
      if (!turn.signal.aborted) say(id, kept, sayError(error))
      return { kind: 'backoff' }
    }
  }
  const queue = createQueue({
    parallel: AT_ONCE,
    clock: site.clock,
    run,
    onFault: (id, error) => site.log.warn({ delivery: id, err: error }, 'an unexpected fault'),
  })
  const trustChanged = (): void => {
    policies = parsePolicies(trust.objects())
    for (const [id, { known }] of all) {
      known.clear()
      queue.soon(id)
    }
  }
  const trouble = (error: unknown): void => {
    const { code, message } = sayError(error)
    site.log.warn({ code }, message)
  }
  const recovered = (): void => site.log.info('the API server answers again')
  const options = { clock: site.clock, signal }
  const ifListed = () => policies !== undefined && trustChanged()
  const trust = follow(
    site.cluster,
    TRUST_POLICIES_PATH,
    { onChange: ifListed, onGone: ifListed, onListed: trustChanged, onTrouble: trouble, onRecovered: recovered },
    options,
  )
  const deliveries = follow(
    site.cluster,
    DELIVERIES_PATH,
    {
      onChange: (object, before) => {
        const { id, namespace, needs } = headOf(object)
        if (onlyNamespaces !== undefined && !onlyNamespaces.includes(namespace)) return
        const kept = all.get(id) ?? { object, known: new Set(), askedAtMs: -1, said: '' }
        kept.object = object
        all.set(id, kept)
        const isNews = before === undefined || headOf(before).needs !== needs
        if (isNews && policies !== undefined) queue.soon(id)
      },
      onGone: (object) => {
        const { id } = headOf(object)
        all.delete(id)
        queue.drop(id)
      },
      onTrouble: trouble,
      onRecovered: recovered,
    },
    options,
  )
  await tidyUntil(site, signal)
  await queue.end()
  await Promise.all([deliveries.ended, trust.ended])
}

/** `needs`: equal where a Delivery may need the same artifacts: its spec, and the newest record of it. */
function headOf(object: JsonObject): { readonly id: string; readonly namespace: string; readonly needs: string } {
  const metadata = isJsonObject(object.metadata) ? object.metadata : {}
  const status = isJsonObject(object.status) ? object.status : {}
  const namespace = String(metadata.namespace ?? '')
  return {
    id: `${namespace}/${metadata.name ?? ''}`,
    namespace,
    needs: JSON.stringify([metadata.uid, metadata.generation, status.lastRecord ?? null]),
  }
}
