import { WaybillError } from '../../contract/errors.ts'
import type { Clock } from '../clock.ts'
import { accountExists } from '../cluster/access.ts'
import type { Cluster } from '../cluster/cluster-port.ts'
import { accountOf } from '../cluster/delivery-extra.ts'
import type { EventSubject } from '../events/events.ts'
import type { Delivery, RecordSpec } from '../kinds.ts'
import { sayError } from '../message.ts'
import type { Observer } from '../metrics/observation.ts'
import { createGate } from '../source/registries.ts'
import type { Sender } from './http.ts'
import { messagesAfter, type Notification, requestOf } from './messages.ts'
import { isWritten, type Known, newOutlet, type Outlet, stateOf, writeCursors } from './outlets.ts'
import { readReceiver } from './receiver.ts'

/** Delivers records to those whom a Delivery names. The records are the queue, and `status.notified` says how far it got. */
export interface Notifier {
  /**
   * Before a look writes records: a notification that is new begins at `head`, the newest record, and one that is gone is forgotten; both
   * are written down. @throws WaybillError CLUSTER_*
   */
  begin(delivery: Delivery, head: number): Promise<void>
  /** What is on record now, of a Delivery that was begun. Returns at once. */
  offer(subject: EventSubject, records: readonly RecordSpec[]): void
  gone(id: string): void
  /** Resolves when nothing waits, or what waits has failed. */
  idle(): Promise<void>
  end(): Promise<void>
}

export type NotifierParts = {
  readonly cluster: Cluster
  readonly clock: Clock
  readonly sender: Sender
  readonly log: { warn(fields: object, message: string): void; info(fields: object, message: string): void }
  readonly observe?: Observer | undefined
}

const RETRY_MS = 1_000
const RETRY_MS_MAX = 900_000
/** Sent at a time, over all Deliveries. */
const SENDING_MAX = 16
/** Sent at a time from one namespace: receivers that answer slowly keep nobody else's waiting. */
const SENDING_PER_NAMESPACE_MAX = 4
/** Of one notification, in memory; what is more waits on record. */
const WAITING_MAX = 500

export function createNotifier(parts: NotifierParts): Notifier {
  const { cluster, clock, sender, log, observe } = parts
  const known = new Map<string, Known>()
  const over = new AbortController()
  const sending = createGate(SENDING_MAX)
  const ofNamespaces = new Map<string, ReturnType<typeof createGate>>()
  const send = <T>(namespace: string, work: () => Promise<T>): Promise<T> => {
    const own = ofNamespaces.get(namespace) ?? createGate(SENDING_PER_NAMESPACE_MAX)
    ofNamespaces.set(namespace, own)
    return own(() => sending(work))
  }
  /** First attempts that are under way. */
  const underway = new Set<Promise<void>>()

  const wantedBy = ({ spec }: Delivery): readonly Notification[] => spec.notifications ?? []

  const write = (one: Known): Promise<void> => {
    const run = one.writing.catch(() => undefined).then(() => writeCursors(cluster, one))
    one.writing = run
    return run
  }

  const deliver = async (one: Known, outlet: Outlet): Promise<void> => {
    const { delivery } = one
    const { notification } = outlet
    const account = accountOf(delivery)
    await accountExists(cluster, account)
    const receiver = await readReceiver(cluster, account, notification)
    for (let next = outlet.waiting[0]; next !== undefined && !over.signal.aborted; next = outlet.waiting[0]) {
      const { headers, body } = requestOf(notification.type, next, { key: receiver.key, nowMs: clock.nowMs() })
      const { status, retryAfterMs = 0 } = await send(delivery.namespace, () =>
        sender.send(receiver.url, headers, body, over.signal),
      )
      if (status < 200 || status > 299)
        throw new WaybillError('NOTIFICATION_FAILED', `the receiver answered ${status}`, {
          retryAfterSeconds: Math.ceil(retryAfterMs / 1000),
        })
      observe?.({ kind: 'notification', type: notification.type, result: 'delivered' })
      outlet.sequence = Math.max(outlet.sequence, next.sequence)
      // Meanwhile more may have come.
      outlet.waiting = outlet.waiting.filter(({ sequence }) => sequence > outlet.sequence)
      outlet.attempts = 0
    }
  }

  /** One try. How long to wait before the next; undefined: nothing waits. */
  const attempt = async (one: Known, outlet: Outlet): Promise<number | undefined> => {
    const before = outlet.error
    let waitMs: number | undefined
    try {
      await deliver(one, outlet)
      outlet.error = undefined
    } catch (error) {
      if (over.signal.aborted) return undefined
      const { code, message } = sayError(error)
      const result = code === 'NOTIFICATION_FAILED' ? 'failed' : 'refused'
      observe?.({ kind: 'notification', type: outlet.notification.type, result })
      outlet.error = `${code}: ${message}`
      if (outlet.error !== before) {
        const { namespace, name } = one.delivery
        log.warn({ delivery: `${namespace}/${name}`, notification: outlet.notification.name, code }, message)
      }
      const asked = error instanceof WaybillError ? (error.retryAfterSeconds ?? 0) * 1000 : 0
      const backoffMs = Math.min(RETRY_MS_MAX, RETRY_MS * 2 ** Math.min(outlet.attempts, 20))
      waitMs = Math.max(asked, Math.round(backoffMs * (0.5 + clock.random())))
      outlet.attempts += 1
    }
    if (!isWritten(outlet)) {
      const writes = stateOf(outlet)
      await write(one)
      outlet.written = writes
    }
    return waitMs
  }

  const work = async (one: Known, outlet: Outlet, tried: () => void): Promise<void> => {
    const ended = AbortSignal.any([one.ended.signal, over.signal])
    while ((outlet.waiting.length > 0 || !isWritten(outlet)) && !over.signal.aborted) {
      let waitMs: number | undefined
      try {
        waitMs = await attempt(one, outlet)
      } catch (error) {
        // How far it got could not be written.
        const { code, message } = sayError(error)
        log.warn({ delivery: `${one.delivery.namespace}/${one.delivery.name}`, code }, message)
        waitMs = RETRY_MS
      }
      tried()
      // What a Delivery left behind is tried once.
      if (ended.aborted) break
      if (waitMs !== undefined) await clock.sleep(waitMs, ended)
    }
    outlet.working = undefined
  }

  const start = (one: Known, outlet: Outlet): void => {
    if (outlet.working !== undefined || outlet.waiting.length === 0 || over.signal.aborted) return
    const { promise, resolve } = Promise.withResolvers<void>()
    underway.add(promise)
    const tried = () => {
      underway.delete(promise)
      resolve()
    }
    outlet.working = work(one, outlet, tried).finally(tried)
  }

  const knownOf = (delivery: Delivery): Known => {
    const id = `${delivery.namespace}/${delivery.name}`
    const before = known.get(id)
    if (before?.uid === delivery.uid) return before
    before?.ended.abort()
    const outlets = new Map<string, Outlet>()
    for (const notification of wantedBy(delivery)) {
      const last = delivery.status.notified?.find(({ name }) => name === notification.name)
      if (last === undefined) continue
      const { sequence, error } = last
      outlets.set(last.name, newOutlet(notification, sequence, error))
    }
    const one: Known = {
      uid: delivery.uid,
      delivery,
      outlets,
      ended: new AbortController(),
      writing: Promise.resolve(),
    }
    known.set(id, one)
    return one
  }

  return {
    begin: async (delivery, head) => {
      const wanted = wantedBy(delivery)
      const id = `${delivery.namespace}/${delivery.name}`
      if (wanted.length === 0 && !known.has(id) && delivery.status.notified === undefined) return
      const one = knownOf(delivery)
      one.delivery = delivery
      const stale = [...one.outlets.keys()].filter((name) => !wanted.some((other) => other.name === name))
      for (const name of stale) {
        const outlet = one.outlets.get(name)
        if (outlet !== undefined) outlet.waiting = []
        one.outlets.delete(name)
      }
      let isNew = stale.length > 0 || (delivery.status.notified ?? []).some(({ name }) => !one.outlets.has(name))
      for (const notification of wanted) {
        const outlet = one.outlets.get(notification.name)
        if (outlet !== undefined) outlet.notification = notification
        else {
          one.outlets.set(notification.name, newOutlet(notification, head, undefined))
          isNew = true
        }
      }
      if (isNew) await write(one)
    },
    offer: ({ namespace, name, uid }, records) => {
      const one = known.get(`${namespace}/${name}`)
      if (one === undefined || one.uid !== uid) return
      const newest = records.at(-1)?.sequence ?? 0
      for (const outlet of one.outlets.values()) {
        if (newest <= outlet.sequence) continue
        outlet.waiting = messagesAfter(outlet.sequence, outlet.notification, records).slice(0, WAITING_MAX)
        start(one, outlet)
      }
    },
    gone: (id) => {
      known.get(id)?.ended.abort()
      known.delete(id)
    },
    idle: async () => {
      while (underway.size > 0) await Promise.all(underway)
    },
    end: async () => {
      over.abort()
      const working = [...known.values()].flatMap(({ outlets }) => [...outlets.values()].map(({ working }) => working))
      await Promise.all(working)
      await sender.close()
    },
  }
}
