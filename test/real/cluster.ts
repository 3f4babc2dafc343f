import { execFile } from 'node:child_process'
import { randomBytes, randomUUID } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Agent, type Dispatcher, request } from 'undici'

/** How to reach a control plane that runs; plain data, so that one process can hand it to another as JSON. */
export type ClusterAddress = {
  readonly directory: string
  readonly server: string
  /** PEM bundle that the server's certificate chains to. */
  readonly caFile: string
  /** A kubeconfig file of a cluster admin. */
  readonly kubeconfig: string
  readonly adminToken: string
  /** JSON lines, audit.k8s.io/v1 Event at level Metadata. */
  readonly auditLog: string
  /** Tokens of people without any rights, by user name: see TEST_USERS. */
  readonly userTokens: Readonly<Record<string, string>>
  readonly kubectl: string
}

/** The people that every control plane knows, in group `people`. They may do nothing until a test binds a role to them. */
export const TEST_USERS = ['alice', 'bob', 'carol', 'mallory'] as const

/** What an API server answered: its HTTP status and the parsed JSON. */
export type ApiAnswer = { readonly status: number; readonly body: unknown }

/** One line of the audit log; only what tests ask about is typed. */
export type AuditEvent = {
  /** Of the request: a watch is told of when it begins and when it ends. */
  readonly auditID?: string
  readonly verb: string
  readonly requestURI: string
  readonly user: { readonly username: string }
  readonly impersonatedUser?: { readonly username: string }
  readonly userAgent?: string
  readonly objectRef?: {
    readonly resource?: string
    readonly subresource?: string
    readonly namespace?: string
    readonly name?: string
    readonly apiGroup?: string
  }
  readonly responseStatus?: { readonly code?: number }
}

export type ApiRequest = { readonly body?: unknown; readonly contentType?: string; readonly token?: string }
export type KubectlOptions = { readonly input?: string; readonly kubeconfig?: string }

/** A control plane as a test uses it. */
export type Cluster = ClusterAddress & {
  /** One request, by default as the admin. A string body goes as it is, anything else as JSON. Any status is an answer. */
  readonly api: (method: Dispatcher.HttpMethod, path: string, options?: ApiRequest) => Promise<ApiAnswer>
  /** kubectl as the admin; its standard output. Throws with its standard error when it fails. */
  readonly runKubectl: (args: readonly string[], options?: KubectlOptions) => Promise<string>
  /** A namespace of the test's own, with a name that no other has. */
  readonly freshNamespace: (prefix?: string) => Promise<string>
  /** A token of this service account, as a Pod of it would have; the account is created when it does not exist. */
  readonly serviceAccountToken: (namespace: string, name: string) => Promise<string>
  /** The path of a kubeconfig that acts as this service account. */
  readonly serviceAccountKubeconfig: (namespace: string, name: string) => Promise<string>
  /** The path of a kubeconfig for one of TEST_USERS, or for whoever `token` belongs to. */
  readonly userKubeconfig: (name: string, token?: string) => string
  /** Where the audit log ends now; to be handed to `auditSince`. */
  readonly auditMark: () => Promise<number>
  /** Every request that was answered since `mark`. */
  readonly auditSince: (mark: number) => Promise<readonly AuditEvent[]>
  /** Polls until `check` answers something other than undefined or false. Throws, naming `what`, after `waitMs` (30 s). */
  readonly eventually: <T>(what: string, check: () => Promise<T | undefined | false>, waitMs?: number) => Promise<T>
}

/** A cluster at an address. Opens no connection before the first request; connections do not keep the process alive long. */
export function clusterAt(address: ClusterAddress): Cluster {
  let agent: Agent | undefined
  const api: Cluster['api'] = async (method, path, { body, contentType = 'application/json', token } = {}) => {
    agent ??= new Agent({ connect: { ca: readFileSync(address.caFile, 'utf8') }, keepAliveTimeout: 1_000 })
    const headers: Record<string, string> = {
      authorization: `Bearer ${token ?? address.adminToken}`,
      accept: 'application/json',
    }
    if (body !== undefined) headers['content-type'] = contentType
    const sent = body === undefined ? null : typeof body === 'string' ? body : JSON.stringify(body)
    const answer = await request(`${address.server}${path}`, { method, headers, body: sent, dispatcher: agent })
    const text = await answer.body.text()
    return { status: answer.statusCode, body: parseBody(text) }
  }
  const userKubeconfig: Cluster['userKubeconfig'] = (name, token = address.userTokens[name]) => {
    if (token === undefined) throw new Error(`no token for ${name}; the users are ${TEST_USERS.join(', ')}`)
    const path = join(
      address.directory,
      `${name.replaceAll(/[^\w.-]/g, '_')}-${randomBytes(4).toString('hex')}.kubeconfig`,
    )
    writeKubeconfig(path, address, name, token)
    return path
  }
  const serviceAccountToken: Cluster['serviceAccountToken'] = async (namespace, name) => {
    const accounts = `/api/v1/namespaces/${namespace}/serviceaccounts`
    await created(api, accounts, { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name } })
    const wish = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { expirationSeconds: 36_000 } }
    const token = field(await created(api, `${accounts}/${name}/token`, wish), 'status', 'token')
    if (typeof token !== 'string') throw new Error(`no token for ${namespace}/${name}`)
    return token
  }
  return {
    ...address,
    api,
    runKubectl: (args, { input = '', kubeconfig = address.kubeconfig } = {}) =>
      kubectl(address.kubectl, ['--kubeconfig', kubeconfig, ...args], input),
    freshNamespace: async (prefix = 'test') => {
      const name = `${prefix}-${randomBytes(5).toString('hex')}`
      await created(api, '/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name } })
      return name
    },
    serviceAccountToken,
    serviceAccountKubeconfig: async (namespace, name) =>
      userKubeconfig(`${namespace}_${name}`, await serviceAccountToken(namespace, name)),
    userKubeconfig,
    auditMark: async () => (await auditUntilNow(api, address.auditLog, 0)).end,
    auditSince: async (mark) => (await auditUntilNow(api, address.auditLog, mark)).events,
    eventually,
  }
}

/** What is at a path inside parsed JSON: `field(pod, 'status', 'conditions', 0, 'type')`; undefined when it is not there. */
export function field(value: unknown, ...path: readonly (string | number)[]): unknown {
  let at = value
  for (const key of path) {
    if (typeof at !== 'object' || at === null) return undefined
    at = Reflect.get(at, key)
  }
  return at
}

/** Writes a kubeconfig (JSON is YAML) with one context, that only this user may read. */
export function writeKubeconfig(
  path: string,
  cluster: { server: string; caFile: string },
  user: string,
  token: string,
): void {
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'test', cluster: { server: cluster.server, 'certificate-authority': cluster.caFile } }],
    users: [{ name: user, user: { token } }],
    contexts: [{ name: 'test', context: { cluster: 'test', user, namespace: 'default' } }],
    'current-context': 'test',
  }
  writeFileSync(path, JSON.stringify(config, null, 2), { mode: 0o600 })
}

/** Polls until `check` answers something other than undefined or false. Throws, naming `what`, after `waitMs`. */
export async function eventually<T>(
  what: string,
  check: () => Promise<T | undefined | false>,
  waitMs = 30_000,
): Promise<T> {
  for (const deadline = Date.now() + waitMs; ; await sleep(100)) {
    const answer = await check()
    if (answer !== undefined && answer !== false) return answer
    if (Date.now() > deadline) throw new Error(`not within ${waitMs} ms: ${what}`)
  }
}

async function created(api: Cluster['api'], path: string, body: unknown): Promise<unknown> {
  const answer = await api('POST', path, { body })
  if (answer.status === 409 || answer.status < 300) return answer.body
  throw new Error(`POST ${path}: ${answer.status} ${JSON.stringify(answer.body)}`)
}

/** The API server writes the line of a request after it answered it: one that was answered before the marker was sent could stand after it. */
const LATE_MS = 200

/** The audit events from byte `from` to a request that this makes and finds again: the log is written after the answer. */
async function auditUntilNow(
  api: Cluster['api'],
  path: string,
  from: number,
): Promise<{ events: AuditEvent[]; end: number }> {
  const marker = `/version?marker=${randomUUID()}`
  await sleep(LATE_MS)
  await api('GET', marker)
  for (const deadline = Date.now() + 10_000; Date.now() < deadline; await sleep(20)) {
    const text = await readFrom(path, from)
    const at = text.indexOf(marker)
    const lineEnd = at < 0 ? -1 : text.indexOf('\n', at)
    if (lineEnd < 0) continue
    const lines = text.slice(0, text.lastIndexOf('\n', at) + 1)
    const end = from + Buffer.byteLength(text.slice(0, lineEnd + 1))
    return {
      events: lines
        .split('\n')
        .filter((line) => line !== '')
        .map(parseAuditEvent)
        .filter(isTests),
      end,
    }
  }
  throw new Error(`the audit log ${path} does not show a request made 10 s ago`)
}

const isTests = (event: AuditEvent): boolean => !event.requestURI.startsWith('/version?marker=')

async function readFrom(path: string, from: number): Promise<string> {
  const file = await open(path)
  try {
    const { size } = await file.stat()
    const bytes = Buffer.alloc(Math.max(0, size - from))
    const { bytesRead } = await file.read(bytes, 0, bytes.length, from)
    return bytes.toString('utf8', 0, bytesRead)
  } finally {
    await file.close()
  }
}

function kubectl(command: string, args: readonly string[], input: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(command, args, { maxBuffer: 256 * 1024 * 1024 }, (error, stdout, stderr) => {
      if (error === null) return resolve(stdout)
      reject(new Error(`kubectl ${args.slice(2).join(' ')}: ${stderr.trim() || error.message}`))
    })
    child.stdin?.on('error', () => {})
    child.stdin?.end(input)
  })
}

function parseBody(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

function parseAuditEvent(line: string): AuditEvent {
  return JSON.parse(line) as AuditEvent
}
