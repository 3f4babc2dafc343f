import type { Clock } from '../clock.ts'
import type { Cluster } from '../cluster/cluster-port.ts'
import type { Observer } from '../metrics/observation.ts'
import { type EventFacts, type EventSubject, eventObject } from './events.ts'

/** Events that wait to be written; what comes when it is full is dropped, and counted. They are a courtesy: records are the account. */
const WAITING_MAX = 1_000
const TRIES = 3
const RETRY_MS = 1_000

export interface EventPoster {
  post(subject: EventSubject, facts: EventFacts): void
  /** Writes no more; resolves when the write in flight is over. */
  end(): Promise<void>
  /** Resolves when nothing waits. */
  idle(): Promise<void>
}

/** Writes Events one after another, behind whatever else is done. */
export function createEventPoster(parts: {
  readonly cluster: Cluster
  readonly clock: Clock
  readonly observe?: Observer | undefined
}): EventPoster {
  const { cluster, clock, observe } = parts
  const waiting: { readonly subject: EventSubject; readonly facts: EventFacts }[] = []
  const ended = new AbortController()
  let working: Promise<void> = Promise.resolve()
  let busy = false

  const write = async (
    subject: EventSubject,
    facts: EventFacts,
  ): Promise<'created' | 'repeated' | 'known' | 'failed'> => {
    const path = `/api/v1/namespaces/${encodeURIComponent(subject.namespace)}/events`
    const { count, lastAt: lastTimestamp } = facts
    const { signal } = ended
    // What is repeated is most likely there; it is written whole where it is not.
    if (count > 1) {
      const contentType = 'application/merge-patch+json'
      const body = { count, lastTimestamp }
      const { status } = await cluster.request('puller', {
        method: 'PATCH',
        path: `${path}/${facts.name}`,
        contentType,
        body,
        signal,
      })
      if (status !== 404) return status === 200 ? 'repeated' : 'failed'
    }
    const { status } = await cluster.request('puller', {
      method: 'POST',
      path,
      body: eventObject(subject, facts),
      signal,
    })
    if (status === 409) return 'known'
    return status === 201 ? 'created' : 'failed'
  }
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined && !ended.signal.aborted; next = waiting.shift()) {
      let result: Awaited<ReturnType<typeof write>> = 'failed'
      for (let attempt = 1; attempt <= TRIES && !ended.signal.aborted; attempt++) {
        try {
          result = await write(next.subject, next.facts)
          break
        } catch {
          // No answer: tried again, and given up after a few times.
          if (attempt < TRIES) await clock.sleep(RETRY_MS * 2 ** attempt, ended.signal)
        }
      }
      observe?.({ kind: 'event', result })
    }
    busy = false
  }
  return {
    post: (subject, facts) => {
      if (ended.signal.aborted) return
      if (waiting.length >= WAITING_MAX) {
        observe?.({ kind: 'event', result: 'dropped' })
        return
      }
      waiting.push({ subject, facts })
      if (busy) return
      busy = true
      working = work()
    },
    idle: () => working,
    end: async () => {
      ended.abort()
      waiting.length = 0
      await working
    },
  }
}
