import { z } from 'zod'
import { isJsonObject, type Json, type JsonObject } from '../../contract/canonical-json.ts'
import { isDigest } from '../../contract/digest.ts'
import { answerError } from '../cluster/answer-error.ts'
import type { Cluster, ClusterAnswer } from '../cluster/cluster-port.ts'
import type { AuditHead } from './audit.ts'
import { SEQUENCE_MAX } from './chain.ts'
import { PUBLIC_KEY_ENTRY, RECORDS_CONFIG_MAP } from './keys.ts'
import type { DeliveryRef, RecordHead } from './record-head.ts'

const headSchema = z.object({ sequence: z.int().min(1).max(SEQUENCE_MAX), hash: z.string() })

/** What ConfigMap `waybill-records` says of one Delivery. `unreadable`: there is an entry, and it is no head. */
export type KeptHead = { readonly head: AuditHead | null; readonly unreadable: boolean }

/**
 * The head of a Delivery's chain, as ConfigMap `waybill-records` in the puller's namespace keeps it, by the Delivery's uid. Those who ask at
 * the same time share a request that is made after they asked.
 * @throws WaybillError CLUSTER_FORBIDDEN, CLUSTER_FAILED
 */
export async function readHead(cluster: Cluster, namespace: string, uid: string): Promise<KeptHead> {
  const { data } = await headsOf(cluster, namespace).read()
  const entry = data?.[uid]
  if (entry === undefined) return { head: null, unreadable: false }
  const head = parseHead(entry)
  return { head, unreadable: head === null }
}

/**
 * Writes one head, and never an older one over a newer: another puller may have gone further meanwhile. The ConfigMap is
 * made, with the public half of the key, where somebody removed it. Heads that are to be written at the same time are written together.
 */
export function writeHead(
  cluster: Cluster,
  namespace: string,
  publicPem: string,
  delivery: DeliveryRef,
  head: RecordHead,
): Promise<void> {
  const entry = JSON.stringify({ namespace: delivery.namespace, ...head })
  return headsOf(cluster, namespace).write(publicPem, { uid: delivery.uid, sequence: head.sequence, entry })
}

/** Another puller may write the ConfigMap at the same time: of those that do one wins. */
const TRIES_MAX = 40
const TOGETHER_MAX = 200

type Entry = { readonly uid: string; readonly sequence: number; readonly entry: string }
type Waiting = { readonly entry: Entry; readonly publicPem: string; readonly done: PromiseWithResolvers<void> }
/** The ConfigMap as it was last seen; without data and version where there is none. */
type Seen = { readonly status: number; readonly data: JsonObject | undefined; readonly version: string }

const books = new WeakMap<Cluster, Map<string, Heads>>()

function headsOf(cluster: Cluster, namespace: string): Heads {
  const known = books.get(cluster) ?? new Map<string, Heads>()
  books.set(cluster, known)
  const heads = known.get(namespace) ?? new Heads(cluster, namespace)
  known.set(namespace, heads)
  return heads
}

/** All Deliveries share one ConfigMap: one writer at a time, which writes what came meanwhile in one request. */
class Heads {
  readonly #cluster: Cluster
  readonly #namespace: string
  #seen: Seen | undefined
  #reading: Promise<Seen> | undefined
  #next: Promise<Seen> | undefined
  #waiting: Waiting[] = []
  #isWriting = false

  constructor(cluster: Cluster, namespace: string) {
    this.#cluster = cluster
    this.#namespace = namespace
  }

  read(): Promise<Seen> {
    this.#next ??= Promise.resolve(this.#reading?.catch(() => undefined)).then(() => {
      this.#next = undefined
      this.#reading = this.#get()
      return this.#reading
    })
    return this.#next
  }

  write(publicPem: string, entry: Entry): Promise<void> {
    const done = Promise.withResolvers<void>()
    this.#waiting.push({ entry, publicPem, done })
    if (!this.#isWriting) void this.#run()
    return done.promise
  }

  async #run(): Promise<void> {
    this.#isWriting = true
    while (this.#waiting.length > 0) {
      const together = this.#waiting.splice(0, TOGETHER_MAX)
      try {
        await this.#writeAll(together)
        for (const { done } of together) done.resolve()
      } catch (error) {
        this.#seen = undefined
        for (const { done } of together) done.reject(error)
      }
    }
    this.#isWriting = false
  }

  async #writeAll(together: readonly Waiting[]): Promise<void> {
    for (let tries = 1; ; tries++) {
      const before = this.#seen ?? (await this.#get())
      this.#seen = undefined
      const newer = together.filter(
        ({ entry: { uid, sequence } }) => (parseHead(before.data?.[uid])?.sequence ?? 0) <= sequence,
      )
      if (newer.length === 0) return
      const answer =
        before.status === 404
          ? await this.#create(newer)
          : await this.#patch(
              before,
              newer.map(({ entry }) => entry),
            )
      if (answer.status === 200 || answer.status === 201) {
        this.#seen = seenIn(answer)
        return
      }
      // 422: an entry is not what it was when it was read.
      if ((answer.status !== 404 && answer.status !== 409 && answer.status !== 422) || tries >= TRIES_MAX)
        throw answerError(`ConfigMap ${this.#namespace}/${RECORDS_CONFIG_MAP}`, answer)
    }
  }

  #patch({ data, version }: Seen, entries: readonly Entry[]): Promise<ClusterAnswer> {
    const isNew = entries.some(({ uid }) => data?.[uid] === undefined)
    const known = entries.filter(({ uid }) => data?.[uid] !== undefined)
    return this.#cluster.request('puller', {
      method: 'PATCH',
      path: configMapPath(this.#namespace),
      contentType: 'application/json-patch+json',
      body: [
        // No test says that an entry is still absent; that nothing at all changed does.
        ...(isNew ? [{ op: 'test', path: '/metadata/resourceVersion', value: version }] : []),
        ...known.map(({ uid }) => ({ op: 'test', path: `/data/${uid}`, value: data?.[uid] ?? null })),
        ...(data === undefined ? [{ op: 'add', path: '/data', value: {} }] : []),
        ...entries.map(({ uid, entry }) => ({ op: 'add', path: `/data/${uid}`, value: entry })),
      ],
    })
  }

  #create(together: readonly Waiting[]): Promise<ClusterAnswer> {
    const data = Object.fromEntries(together.map(({ entry: { uid, entry } }) => [uid, entry]))
    return this.#cluster.request('puller', {
      method: 'POST',
      path: configMapPath(this.#namespace, ''),
      body: {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: RECORDS_CONFIG_MAP, namespace: this.#namespace },
        data: { [PUBLIC_KEY_ENTRY]: together[0]?.publicPem ?? '', ...data },
      },
    })
  }

  async #get(): Promise<Seen> {
    const answer = await this.#cluster.request('puller', { method: 'GET', path: configMapPath(this.#namespace) })
    if (answer.status !== 200 && answer.status !== 404)
      throw answerError(`ConfigMap ${this.#namespace}/${RECORDS_CONFIG_MAP}`, answer)
    return seenIn(answer)
  }
}

function seenIn({ status, body: { data, metadata } }: ClusterAnswer): Seen {
  return {
    status: status === 201 ? 200 : status,
    data: isJsonObject(data) ? data : undefined,
    version: resourceVersionOf(metadata),
  }
}

function resourceVersionOf(metadata: Json | undefined): string {
  const version = isJsonObject(metadata) ? metadata.resourceVersion : undefined
  return typeof version === 'string' ? version : ''
}

function parseHead(entry: unknown): AuditHead | null {
  try {
    const parsed = headSchema.parse(JSON.parse(String(entry)))
    return isDigest(parsed.hash) ? { sequence: parsed.sequence, hash: parsed.hash } : null
  } catch {
    return null
  }
}

function configMapPath(namespace: string, name: string = RECORDS_CONFIG_MAP): string {
  return `/api/v1/namespaces/${encodeURIComponent(namespace)}/configmaps${name === '' ? '' : `/${name}`}`
}
