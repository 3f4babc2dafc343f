import { z } from 'zod'
import { isJsonObject, type JsonObject } from '../../contract/canonical-json.ts'
import { isDigest } from '../../contract/digest.ts'
import { answerError } from '../cluster/answer-error.ts'
import type { Cluster, ClusterAnswer, ClusterRequest } from '../cluster/cluster-port.ts'
import { resourceVersionOf } from '../cluster/version.ts'
import type { AuditHead } from './audit.ts'
import { SEQUENCE_MAX } from './chain.ts'
import { PUBLIC_KEY_ENTRY, RECORDS_CONFIG_MAP } from './keys.ts'
import type { DeliveryRef, RecordHead } from './record-head.ts'

const headSchema = z.object({ sequence: z.int().min(1).max(SEQUENCE_MAX), hash: z.string() })

/** What ConfigMap `waybill-records` says of one Delivery. `unreadable`: there is an entry, and it is no head. */
export type KeptHead = { readonly head: AuditHead | null; readonly unreadable: boolean }

/** ConfigMap `waybill-records` in one version of it; version '': there is none. */
export type KeptHeads = {
  readonly version: string
  /** By uid, as they are written; and the public key. Undefined: the ConfigMap holds nothing at all. */
  readonly data: ReadonlyMap<string, string> | undefined
}

/** What is to become of it. `heads`: entries by uid. `gone`: uids whose entries go. */
export type HeadsChange = { readonly heads: ReadonlyMap<string, string>; readonly gone: readonly string[] }

/**
 * The head of a Delivery's chain, as ConfigMap `waybill-records` in the puller's namespace keeps it, by the Delivery's uid.
 * @throws WaybillError CLUSTER_FORBIDDEN, CLUSTER_FAILED
 */
export async function readHead(cluster: Cluster, namespace: string, uid: string): Promise<KeptHead> {
  return headIn(await readHeads(cluster, namespace), uid)
}

/** All of them. @throws WaybillError CLUSTER_FORBIDDEN, CLUSTER_FAILED */
export async function readHeads(cluster: Cluster, namespace: string): Promise<KeptHeads> {
  const answer = await cluster.request('puller', { method: 'GET', path: configMapPath(namespace) })
  if (answer.status === 404) return { version: '', data: undefined }
  if (answer.status !== 200) throw headsError(namespace, answer)
  const { data } = answer.body
  const texts = isJsonObject(data) ? Object.entries(data).map(([key, text]) => [key, String(text)] as const) : undefined
  return { version: resourceVersionOf(answer.body), data: texts && new Map(texts) }
}

/** In which version they are; '' where there are none, or where that could not be told. Much less to send than all of them. */
export async function readHeadsVersion(cluster: Cluster, namespace: string): Promise<string> {
  const answer = await cluster.request('puller', { method: 'GET', path: configMapPath(namespace), accept: METADATA })
  if (answer.status !== 200 && answer.status !== 404) throw headsError(namespace, answer)
  return answer.status === 404 ? '' : resourceVersionOf(answer.body)
}

export function headIn({ data }: KeptHeads, uid: string): KeptHead {
  const entry = data?.get(uid)
  if (entry === undefined) return { head: null, unreadable: false }
  const head = parseHead(entry)
  return { head, unreadable: head === null }
}

/** As it is written. */
export function headEntry(delivery: DeliveryRef, head: RecordHead): string {
  return JSON.stringify({ namespace: delivery.namespace, ...head })
}

/**
 * Changes what was read as `kept`, or makes it where there was none, with the public half of the key: only where nothing at all changed since.
 * 404, 409, 422: something did. Answers carry no more than metadata.
 */
export function changeHeads(
  cluster: Cluster,
  place: { readonly namespace: string; readonly publicPem: string },
  kept: KeptHeads,
  { heads, gone }: HeadsChange,
): Promise<ClusterAnswer> {
  const { namespace } = place
  const request: ClusterRequest =
    kept.version === ''
      ? { method: 'POST', path: configMapPath(namespace, ''), body: configMapOf(place, heads) }
      : {
          method: 'PATCH',
          path: configMapPath(namespace),
          contentType: 'application/json-patch+json',
          body: [
            // No test says that an entry is still absent; that nothing at all changed does.
            { op: 'test', path: '/metadata/resourceVersion', value: kept.version },
            ...(kept.data === undefined ? [{ op: 'add', path: '/data', value: {} }] : []),
            ...gone.map((uid) => ({ op: 'remove', path: `/data/${uid}` })),
            ...[...heads].map(([uid, value]) => ({ op: 'add', path: `/data/${uid}`, value })),
          ],
        }
  return cluster.request('puller', { ...request, accept: METADATA })
}

export function headsError(namespace: string, answer: ClusterAnswer) {
  return answerError(`ConfigMap ${namespace}/${RECORDS_CONFIG_MAP}`, answer)
}

const METADATA = 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json'

function configMapOf(
  { namespace, publicPem }: { readonly namespace: string; readonly publicPem: string },
  heads: ReadonlyMap<string, string>,
): JsonObject {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: RECORDS_CONFIG_MAP, namespace },
    data: { [PUBLIC_KEY_ENTRY]: publicPem, ...Object.fromEntries(heads) },
  }
}

function parseHead(entry: string): AuditHead | null {
  try {
    const parsed = headSchema.parse(JSON.parse(entry))
    return isDigest(parsed.hash) ? { sequence: parsed.sequence, hash: parsed.hash } : null
  } catch {
    return null
  }
}

function configMapPath(namespace: string, name: string = RECORDS_CONFIG_MAP): string {
  return `/api/v1/namespaces/${encodeURIComponent(namespace)}/configmaps${name === '' ? '' : `/${name}`}`
}
