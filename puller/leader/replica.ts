import { WaybillError } from '../../contract/errors.ts'
import type { Cluster } from '../cluster/cluster-port.ts'
import { sayError } from '../message.ts'
import { type Candidacy, stand, type Term } from './elect.ts'
import { duringTerm, onlyReading } from './fence.ts'

export type Duties<T> = {
  /** What only one does at a time; ends soon after the signal. Errors that come after the term was lost say nothing. */
  readonly lead: (cluster: Cluster, signal: AbortSignal) => Promise<T>
  /** What the others do meanwhile; ends soon after the signal. Its cluster refuses writes. Never throws. */
  readonly standBy: (cluster: Cluster, signal: AbortSignal) => Promise<void>
}

export type Replica = Omit<Candidacy, 'onOther' | 'onTrouble'> & {
  readonly cluster: Cluster
  readonly signal: AbortSignal
  readonly log: { info(fields: object, message: string): void; warn(fields: object, message: string): void }
}

/** How long what was begun may take to come to rest once the term is lost. Writes have ended by then: this is about being sure. */
export const REST_MS = 10_000

/**
 * Stands by, leads, and when the term is lost stands by again, until `signal` aborts; then the Lease is given back, after the last write.
 * Returns what the last term came to.
 * @throws WaybillError LEADER_LOST when what was begun does not come to rest: then the process has to end; and what `lead` throws
 */
export async function runReplica<T>(replica: Replica, { lead, standBy }: Duties<T>): Promise<T | undefined> {
  const { signal, cluster, log, identity } = replica
  let last: T | undefined
  while (!signal.aborted) {
    const term = await standingBy(replica, (waiting) => standBy(onlyReading(cluster, waiting), waiting))
    if (term === undefined) return last
    log.info({ identity }, 'this replica leads')
    const work = lead(duringTerm(cluster, term), AbortSignal.any([signal, term.lost]))
    const ended = await atRest(replica, term, work)
    await term.resign()
    if (ended.kind === 'restless')
      throw new WaybillError('LEADER_LOST', 'what this replica had begun did not end with its term')
    if (ended.kind === 'done') last = ended.value
    else if (!term.lost.aborted) throw ended.error
    if (term.lost.aborted) log.warn({ identity, code: 'LEADER_LOST' }, 'this replica no longer leads and stands by')
  }
  return last
}

async function standingBy(
  { signal, log, ...candidacy }: Replica,
  standBy: (signal: AbortSignal) => Promise<void>,
): Promise<Term | undefined> {
  const elected = new AbortController()
  const until = AbortSignal.any([signal, elected.signal])
  const standing = standBy(until)
  let trouble = ''
  try {
    return await stand(
      {
        ...candidacy,
        onOther: (leader) =>
          log.info({ identity: candidacy.identity, leader }, 'another replica leads, this one stands by'),
        onTrouble: (error) => {
          const { code, message } = sayError(error)
          if (trouble !== message) log.warn({ code }, `the Lease cannot be had: ${message}`)
          trouble = message
        },
      },
      signal,
    )
  } finally {
    elected.abort()
    await standing
  }
}

type Ended<T> =
  | { readonly kind: 'done'; readonly value: T }
  | { readonly kind: 'failed'; readonly error: unknown }
  | { readonly kind: 'restless' }

/** What `work` comes to, if it ends soon enough after the term. */
async function atRest<T>({ clock }: Replica, { lost }: Term, work: Promise<T>): Promise<Ended<T>> {
  const over = new AbortController()
  const { promise: restless, resolve } = Promise.withResolvers<Ended<T>>()
  const begin = () => {
    void clock.sleep(REST_MS, over.signal).then(() => resolve({ kind: 'restless' }))
  }
  if (lost.aborted) begin()
  else lost.addEventListener('abort', begin, { once: true })
  const ended = work.then(
    (value): Ended<T> => ({ kind: 'done', value }),
    (error: unknown): Ended<T> => ({ kind: 'failed', error }),
  )
  try {
    return await Promise.race([ended, restless])
  } finally {
    over.abort()
    lost.removeEventListener('abort', begin)
  }
}
