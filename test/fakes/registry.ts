import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { MEDIA } from '../../contract/artifact/artifact.ts'
import { type Digest, digestOf, isDigest } from '../../contract/digest.ts'
import { EMPTY_CONFIG, writeReferrer } from '../../contract/trust/referrer.ts'
import { type GoodAnswer, Misbehaviours, type When } from './misbehaviour.ts'
import {
  createStore,
  descriptorOf,
  findManifest,
  listUnderTag,
  type Store,
  storeBlob,
  storeManifest,
  subjectOf,
} from './registry-store.ts'

export type FakeRegistryOptions = {
  /** False: no referrers API, so the fallback tag is what counts. Default true. */
  readonly referrersApi?: boolean
  /** False: a blob is uploaded even where it is there. Default true. */
  readonly mounts?: boolean
  /** Entries of a page of referrers or tags. */
  readonly pageSize?: number
  /** Every request must carry this login, or a token got with it; to write, one for pushing. */
  readonly auth?: { readonly scheme: 'basic' | 'bearer'; readonly username: string; readonly password: string }
  readonly tls?: { readonly key: string; readonly cert: string }
}

export type SeenRequest = {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
}

/** A registry on loopback, in this process, that can misbehave on request. Port 0; `close` when done. */
export type FakeRegistry = {
  /** `127.0.0.1:<port>` */
  readonly host: string
  /** `METHOD /path` of every request so far. */
  readonly requests: readonly string[]
  readonly seen: readonly SeenRequest[]
  putBlob(repository: string, bytes: Uint8Array): Digest
  /** `tag` is optional; a manifest with a subject becomes a referrer. */
  putManifest(repository: string, bytes: Uint8Array, options?: { tag?: string; mediaType?: string }): Digest
  tag(repository: string, digest: Digest, tag: string): void
  untag(repository: string, tag: string): void
  /** What a tag names, without asking over HTTP. */
  tagged(repository: string, tag: string): Digest | undefined
  /** Attaches a Sigstore bundle as a referrer of `subject`. */
  attachBundle(repository: string, subject: Digest, bundle: Uint8Array): Digest
  /** Requests of this method whose path matches misbehave from now on. */
  when(method: string, path: RegExp): When
  /** From now on everything goes well. */
  behave(): void
  close(): Promise<void>
}

export async function startFakeRegistry(options: FakeRegistryOptions = {}): Promise<FakeRegistry> {
  const stores = new Map<string, Store>()
  const storeOf = (repository: string) => {
    const found = stores.get(repository) ?? createStore()
    stores.set(repository, found)
    return found
  }
  const misbehaviours = new Misbehaviours()
  const seen: SeenRequest[] = []
  const context: Context = { stores, storeOf, options, tokens: new Map(), host: () => host }
  const handle = (request: IncomingMessage, response: ServerResponse) => {
    void readAll(request).then((body) => {
      seen.push({ method: request.method ?? '', path: request.url ?? '', headers: textHeaders(request) })
      const good = answer(request, body, context)
      const misbehave = misbehaviours.find(request)
      if (misbehave !== undefined) return misbehave(good, request, response)
      response.writeHead(good.status, { 'content-length': String(good.body.length), ...good.headers })
      response.end(request.method === 'HEAD' ? undefined : good.body)
    })
  }
  const server = options.tls === undefined ? createServer(handle) : createTlsServer({ ...options.tls }, handle)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const host = `127.0.0.1:${typeof address === 'object' ? address?.port : 0}`

  const attach = (store: Store, subject: Digest, referrer: Uint8Array) => {
    const digest = storeManifest(store, referrer, MEDIA.manifest)
    if (options.referrersApi === false) listUnderTag(store, subject, digest)
    return digest
  }
  return {
    host,
    get requests() {
      return seen.map(({ method, path }) => `${method} ${path}`)
    },
    seen,
    putBlob: (repository, bytes) => storeBlob(storeOf(repository), bytes),
    putManifest: (repository, bytes, { tag, mediaType = MEDIA.manifest } = {}) =>
      storeManifest(storeOf(repository), bytes, mediaType, tag),
    tag: (repository, digest, tag) => void storeOf(repository).tags.set(tag, digest),
    untag: (repository, tag) => void storeOf(repository).tags.delete(tag),
    tagged: (repository, tag) => storeOf(repository).tags.get(tag),
    attachBundle: (repository, subject, bundle) => {
      const store = storeOf(repository)
      storeBlob(store, EMPTY_CONFIG)
      storeBlob(store, bundle)
      const size = store.manifests.get(subject)?.bytes.length ?? 0
      const created = '2026-11-21T10:00:00Z'
      const described = { mediaType: MEDIA.manifest, digest: subject, size }
      return attach(store, subject, writeReferrer(bundle, described, { predicateType: 'unknown', created }))
    },
    when: (method, path) => misbehaviours.when(method, path),
    behave: () => misbehaviours.forget(),
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

type Context = {
  readonly stores: Map<string, Store>
  readonly storeOf: (repository: string) => Store
  readonly options: FakeRegistryOptions
  /** What each token is for. */
  readonly tokens: Map<string, string>
  readonly host: () => string
}

/** Also writes: a registry that answers well has done what it was asked. */
function answer(request: IncomingMessage, body: Buffer, context: Context): GoodAnswer {
  const url = new URL(request.url ?? '/', 'http://fake')
  if (url.pathname === '/token') return giveToken(request, context)
  const refused = unauthorized(request, context)
  if (refused !== undefined) return refused
  if (url.pathname === '/v2/') return json(200, {})
  const parts = /^\/v2\/(.+)\/(blobs|manifests|referrers|tags)\/(.*)$/.exec(url.pathname)
  if (parts === null) return json(404, { errors: [{ code: 'NOT_FOUND' }] })
  const [, repository = '', kind = '', name = ''] = parts
  if (kind === 'blobs') return blobs(request, body, url, context, repository)
  if (kind === 'manifests') return manifests(request, body, name, context, repository)
  const store = context.stores.get(repository)
  if (kind === 'tags')
    return store === undefined
      ? json(404, { errors: [{ code: 'NAME_UNKNOWN' }] })
      : page(url, context, [...store.tags.keys()].sort(), (tags) => ({ name: repository, tags }))
  if (context.options.referrersApi === false || !isDigest(name)) return json(404, {})
  const found = (store?.referrers.get(name) ?? []).map((digest) => descriptorOf(context.storeOf(repository), digest))
  return page(url, context, found, (some) => ({ schemaVersion: 2, mediaType: MEDIA.index, manifests: some }))
}

function blobs(
  request: IncomingMessage,
  body: Buffer,
  url: URL,
  { storeOf, stores, options }: Context,
  repository: string,
): GoodAnswer {
  const store = storeOf(repository)
  const name = url.pathname.slice(url.pathname.lastIndexOf('/') + 1)
  if (request.method === 'POST') {
    const [mount, from] = [url.searchParams.get('mount') ?? '', url.searchParams.get('from') ?? '']
    const mounted = options.mounts === false ? undefined : stores.get(from)?.blobs.get(mount)
    if (mounted !== undefined)
      return { ...json(201, {}), headers: { location: `/v2/${repository}/blobs/${storeBlob(store, mounted)}` } }
    return { ...json(202, {}), headers: { location: `/v2/${repository}/blobs/uploads/${crypto.randomUUID()}` } }
  }
  if (request.method === 'PUT') {
    const wanted = url.searchParams.get('digest') ?? ''
    return digestOf(body) === wanted
      ? { ...json(201, {}), headers: { location: `/v2/${repository}/blobs/${storeBlob(store, body)}` } }
      : json(400, { errors: [{ code: 'DIGEST_INVALID' }] })
  }
  const found = store.blobs.get(name)
  if (found === undefined) return json(404, { errors: [{ code: 'BLOB_UNKNOWN' }] })
  return {
    status: 200,
    headers: { 'content-type': 'application/octet-stream', 'docker-content-digest': name },
    body: found,
  }
}

function manifests(
  request: IncomingMessage,
  body: Buffer,
  name: string,
  { storeOf, options }: Context,
  repository: string,
): GoodAnswer {
  const store = storeOf(repository)
  if (request.method === 'PUT') {
    const digest = storeManifest(store, body, request.headers['content-type'] ?? MEDIA.manifest, name)
    // distribution-spec 1.1.1, "Pushing Manifests with Subject": who keeps the list says so.
    const subject = options.referrersApi === false ? undefined : subjectOf(body)
    const said = { 'docker-content-digest': digest, ...(subject === undefined ? {} : { 'oci-subject': subject }) }
    return { ...json(201, {}), headers: said }
  }
  const found = findManifest(store, name)
  if (found === undefined) return json(404, { errors: [{ code: 'MANIFEST_UNKNOWN' }] })
  const { bytes, mediaType, digest } = found
  return { status: 200, headers: { 'content-type': mediaType, 'docker-content-digest': digest }, body: bytes }
}

function page<T>(url: URL, { options }: Context, all: readonly T[], wrap: (some: readonly T[]) => unknown): GoodAnswer {
  const size = options.pageSize ?? Number.POSITIVE_INFINITY
  const from = Number(url.searchParams.get('from') ?? 0)
  const good = json(200, wrap(all.slice(from, from + size)))
  if (from + size >= all.length) return good
  return { ...good, headers: { ...good.headers, link: `<${url.pathname}?from=${from + size}>; rel="next"` } }
}

function unauthorized(request: IncomingMessage, { options, tokens, host }: Context): GoodAnswer | undefined {
  const { auth, tls } = options
  const given = request.headers.authorization ?? ''
  const needed = request.method === 'POST' || request.method === 'PUT' ? 'push' : 'pull'
  const held = auth?.scheme === 'bearer' && tokens.get(given)?.split(',').includes(needed) === true
  if (auth === undefined || given === basicOf(auth) || held) return undefined
  const realm = `${tls === undefined ? 'http' : 'https'}://${host()}/token`
  const challenge = auth.scheme === 'basic' ? 'Basic realm="fake"' : `Bearer realm="${realm}",service="fake"`
  return { ...json(401, { errors: [{ code: 'UNAUTHORIZED' }] }), headers: { 'www-authenticate': challenge } }
}

function giveToken(request: IncomingMessage, { options: { auth }, tokens }: Context): GoodAnswer {
  if (auth === undefined || request.headers.authorization !== basicOf(auth)) return json(401, {})
  const token = crypto.randomUUID()
  const scope = new URL(request.url ?? '/', 'http://fake').searchParams.get('scope') ?? ''
  tokens.set(`Bearer ${token}`, scope.slice(scope.lastIndexOf(':') + 1))
  return json(200, { token, expires_in: 300 })
}

function basicOf({ username, password }: { readonly username: string; readonly password: string }): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
}

function json(status: number, value: unknown): GoodAnswer {
  return { status, headers: { 'content-type': 'application/json' }, body: Buffer.from(JSON.stringify(value)) }
}

async function readAll(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk)
  return Buffer.concat(chunks)
}

function textHeaders(request: IncomingMessage): Record<string, string> {
  return Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)]))
}
