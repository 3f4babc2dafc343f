import type { Json, JsonObject } from '../../contract/canonical-json.ts'

/** Who asks: the puller itself, for its own kinds, or a Delivery's service account, for everything else. */
export type Identity =
  | 'puller'
  | {
      readonly namespace: string
      readonly serviceAccount: string
      /** The name of the Delivery, of that namespace, that it is asked for. */
      readonly delivery?: string
    }

export type ClusterRequest = {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** From the root: `/apis/apps/v1/namespaces/shop/deployments/api`. */
  readonly path: string
  readonly query?: Readonly<Record<string, string>>
  readonly body?: JsonObject | readonly JsonObject[]
  /** For PATCH: `application/apply-patch+yaml`, `application/merge-patch+json`, `application/json-patch+json`. */
  readonly contentType?: string
  readonly accept?: string
  readonly signal?: AbortSignal
}

/** What the API server answered, whatever its status: 404 and 409 are answers, not exceptions. */
export type ClusterAnswer = { readonly status: number; readonly body: JsonObject }

/** A watch event; `BOOKMARK` carries only metadata.resourceVersion. `ERROR` (410 Gone) ends the watch. */
export type WatchEvent = {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR'
  readonly object: JsonObject
}

/** How one kind is addressed, from discovery. */
export type Resource = {
  readonly group: string
  readonly version: string
  readonly kind: string
  /** Plural, lower case. */
  readonly plural: string
  readonly namespaced: boolean
}

/**
 * The API server as the stages see it. Only puller/cluster/cluster.ts touches the network. Throws WaybillError
 * CLUSTER_UNREACHABLE (no answer) and CLUSTER_AUTH (401); every other status is an answer.
 */
export interface Cluster {
  request(as: Identity, request: ClusterRequest): Promise<ClusterAnswer>
  /** Streams events until the server or `signal` ends it. Bookmarks are asked for. */
  watch(as: Identity, request: Omit<ClusterRequest, 'method' | 'body'>): AsyncIterable<WatchEvent>
  /** How a kind is addressed, or undefined where the server does not know it. Cached; `refresh` asks again. Discovery is asked as the puller. */
  resource(apiVersion: string, kind: string, options?: { readonly refresh?: boolean }): Promise<Resource | undefined>
}

export type { Json, JsonObject }
