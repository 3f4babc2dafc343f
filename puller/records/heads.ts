import { z } from 'zod'
import { isJsonObject, type Json, type JsonObject } from '../../contract/canonical-json.ts'
import { isDigest } from '../../contract/digest.ts'
import { answerError } from '../cluster/answer-error.ts'
import type { Cluster } from '../cluster/cluster-port.ts'
import type { AuditHead } from './audit.ts'
import { SEQUENCE_MAX } from './chain.ts'
import { PUBLIC_KEY_ENTRY, RECORDS_CONFIG_MAP } from './keys.ts'
import type { DeliveryRef, RecordHead } from './record-head.ts'

const headSchema = z.object({ sequence: z.int().min(1).max(SEQUENCE_MAX), hash: z.string() })

/** What ConfigMap `waybill-records` says of one Delivery. `unreadable`: there is an entry, and it is no head. */
export type KeptHead = { readonly head: AuditHead | null; readonly unreadable: boolean }

/**
 * The head of a Delivery's chain, as ConfigMap `waybill-records` in the puller's namespace keeps it, by the Delivery's uid.
 * @throws WaybillError CLUSTER_FORBIDDEN, CLUSTER_FAILED
 */
export async function readHead(cluster: Cluster, namespace: string, uid: string): Promise<KeptHead> {
  const answer = await cluster.request('puller', { method: 'GET', path: configMapPath(namespace) })
  if (answer.status === 404) return { head: null, unreadable: false }
  if (answer.status !== 200) throw answerError(`ConfigMap ${namespace}/${RECORDS_CONFIG_MAP}`, answer)
  const { data } = answer.body
  const entry = isJsonObject(data) ? data[uid] : undefined
  if (entry === undefined) return { head: null, unreadable: false }
  const head = parseHead(entry)
  return { head, unreadable: head === null }
}

/** All Deliveries share the ConfigMap, so that the writers of first heads meet each other: of those that write at a time one wins. */
const TRIES_MAX = 40

/**
 * Writes one head, and never an older one over a newer: another puller may have gone further meanwhile. The ConfigMap is
 * made, with the public half of the key, where somebody removed it.
 */
export async function writeHead(
  cluster: Cluster,
  namespace: string,
  publicPem: string,
  delivery: DeliveryRef,
  head: RecordHead,
): Promise<void> {
  const entry = { [delivery.uid]: JSON.stringify({ namespace: delivery.namespace, ...head }) }
  const create: JsonObject = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: RECORDS_CONFIG_MAP, namespace },
    data: { [PUBLIC_KEY_ENTRY]: publicPem, ...entry },
  }
  for (let tries = 1; ; tries++) {
    const before = await cluster.request('puller', { method: 'GET', path: configMapPath(namespace) })
    const { data: entries, metadata } = before.body
    const data = isJsonObject(entries) ? entries : undefined
    const kept = data?.[delivery.uid]
    if ((parseHead(kept)?.sequence ?? 0) > head.sequence) return
    const path = `/data/${delivery.uid}`
    const value = entry[delivery.uid] ?? ''
    let answer =
      before.status !== 200
        ? before
        : await cluster.request('puller', {
            method: 'PATCH',
            path: configMapPath(namespace),
            contentType: 'application/json-patch+json',
            body: [
              // No test says that an entry is still absent; that nothing at all changed does.
              kept === undefined
                ? { op: 'test', path: '/metadata/resourceVersion', value: resourceVersionOf(metadata) }
                : { op: 'test', path, value: kept },
              ...(data === undefined ? [{ op: 'add', path: '/data', value: {} }] : []),
              { op: 'add', path, value },
            ],
          })
    if (answer.status === 200 && before.status === 200) return
    if (answer.status === 404) {
      answer = await cluster.request('puller', { method: 'POST', path: configMapPath(namespace, ''), body: create })
      if (answer.status === 201) return
    }
    // 422: the entry is not what it was when it was read.
    if ((answer.status !== 409 && answer.status !== 422) || tries >= TRIES_MAX)
      throw answerError(`ConfigMap ${namespace}/${RECORDS_CONFIG_MAP}`, answer)
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
