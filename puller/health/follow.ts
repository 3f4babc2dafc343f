import { groupOf, isKubeObject, objectId, objectKey } from '../../contract/artifact/objects.ts'
import { isJsonObject, type JsonObject } from '../../contract/canonical-json.ts'
import type { Clock } from '../clock.ts'
import { answerReason } from '../cluster/answer.ts'
import type { Cluster, Resource } from '../cluster/cluster-port.ts'
import { INITIAL_EVENTS, isEndOfList, isNotStreamed } from '../cluster/initial-events.ts'
import { apiVersionOf, collectionPath } from '../cluster/resources.ts'
import { resourceVersionOf } from '../cluster/version.ts'
import { LABELS } from '../kinds.ts'
import { applySetId, type DesiredObject } from '../plan/desired.ts'
import type { PlanContext } from '../plan/plan-context.ts'
import type { HealthBoard } from './health-board.ts'
import type { LookOn, Onlooker } from './onlooker.ts'

/** Objects of one kind in one namespace: one watch. */
export type WatchGroup = {
  readonly resource: Resource
  readonly namespace: string
  readonly members: readonly DesiredObject[]
}

export function watchGroups(objects: readonly DesiredObject[]): readonly WatchGroup[] {
  const groups = new Map<string, { resource: Resource; namespace: string; members: DesiredObject[] }>()
  for (const object of objects) {
    const { resource, id } = object
    if (resource === undefined) continue
    const path = collectionPath(resource, id.namespace)
    const group = groups.get(path) ?? { resource, namespace: id.namespace, members: [] }
    group.members.push(object)
    groups.set(path, group)
  }
  return [...groups.values()]
}

const RETRY_MS = 500
const RETRY_MS_MAX = 30_000
const PAGE = '500'

/**
 * Watches the members on the ApplySet's label, as the account, and puts what it sees on the board until `signal` aborts. No request where
 * `lookOn` lets it look on; else one: the server streams what exists and goes on; one that cannot is listed first. An account that may only look at named objects is served one by
 * one. An API that does not answer is asked again, later and later.
 */
export async function follow(
  context: PlanContext,
  cluster: Cluster,
  group: WatchGroup,
  board: HealthBoard,
  signal: AbortSignal,
  { clock, lookOn }: { readonly clock: Clock; readonly lookOn?: LookOn | undefined },
): Promise<void> {
  if (lookOn !== undefined) await lookingOn(lookOn, context, group, board, signal)
  if (signal.aborted) return
  const all: Query = { labelSelector: `${LABELS.partOf}=${applySetId(context.delivery)}` }
  const ended = await followQuery(context, cluster, group, all, board, signal, clock)
  if (ended !== 'forbidden') return
  await Promise.all(
    group.members.map(async (member) => {
      const alone = { ...group, members: [member] }
      const one: Query = { fieldSelector: `metadata.name=${member.id.name}` }
      if ((await followQuery(context, cluster, alone, one, board, signal, clock)) === 'forbidden')
        board.set(member.key, { state: 'failed', message: 'the service account may not list and watch it' })
    }),
  )
}

/** Resolves when there is nothing to be seen in this way, or any more. */
function lookingOn(
  lookOn: LookOn,
  { account }: PlanContext,
  group: WatchGroup,
  board: HealthBoard,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve) => {
    const found = new Set<string>()
    const see = (object: JsonObject, isGone: boolean) => {
      if (signal.aborted) return
      const key = show(group, object, isGone, board)
      if (key !== undefined) found.add(key)
    }
    const onlooker: Onlooker = {
      seen: (object) => see(object, false),
      gone: (object) => see(object, true),
      listed: () => showMissing(group, found, board),
      over: resolve,
    }
    signal.addEventListener('abort', () => resolve(), { once: true })
    if (signal.aborted || !lookOn(account, group, onlooker)) resolve()
  })
}

type Query = Readonly<Record<string, string>>

async function followQuery(
  { account }: PlanContext,
  cluster: Cluster,
  group: WatchGroup,
  selector: Query,
  board: HealthBoard,
  signal: AbortSignal,
  clock: Clock,
): Promise<'forbidden' | 'ended'> {
  const path = collectionPath(group.resource, group.namespace)
  const note = (reason: string) => {
    for (const { key } of group.members)
      board.set(key, { state: 'waiting', message: `its API does not answer: ${reason}` })
  }
  let version = ''
  /** The server does not stream what exists. */
  let lists = false
  for (let failures = 0; !signal.aborted; ) {
    if (version === '' && lists) {
      const listed = await list(cluster, account, path, selector, signal)
      if (listed.status === 403) return 'forbidden'
      if ('reason' in listed) {
        note(listed.reason)
        await clock.sleep(Math.min(RETRY_MS * 2 ** failures++, RETRY_MS_MAX), signal)
        continue
      }
      version = listed.version
      showList(group, listed.items, board)
    }
    const followed = await watchOn(cluster, account, { path, selector, version }, group, board, signal)
    version = followed.version
    if (followed.end === 'forbidden') return 'forbidden'
    lists ||= followed.end === 'not streamed'
    if (followed.end === 'not streamed') continue
    if (followed.end === 'over') failures = 0
    else note(followed.end.reason)
    // A watch that ends at once must not become a busy loop.
    await clock.sleep(Math.min(RETRY_MS * 2 ** (followed.end === 'over' ? 0 : failures++), RETRY_MS_MAX), signal)
  }
  return 'ended'
}

type WatchEnd = 'over' | 'forbidden' | 'not streamed' | { readonly reason: string }

/** One watch to its end; from '' it tells first what exists. `version`: where to go on; '': from the beginning. */
async function watchOn(
  cluster: Cluster,
  account: PlanContext['account'],
  from: { readonly path: string; readonly selector: Query; readonly version: string },
  group: WatchGroup,
  board: HealthBoard,
  signal: AbortSignal,
): Promise<{ readonly end: WatchEnd; readonly version: string }> {
  const { path, selector } = from
  let { version } = from
  let found = version === '' ? new Set<string>() : undefined
  const query = { ...selector, ...(version === '' ? INITIAL_EVENTS : { resourceVersion: version }) }
  for await (const event of cluster.watch(account, { path, query, signal })) {
    const { type, object } = event
    if (type === 'ERROR') {
      const code = typeof object.code === 'number' ? object.code : 0
      if (code === 403) return { end: 'forbidden', version: '' }
      if (found === undefined || code === 410) return { end: 'over', version: '' }
      if (isNotStreamed(code)) return { end: 'not streamed', version: '' }
      return { end: { reason: answerReason({ status: code, body: object }) }, version: '' }
    }
    const isEnd = isEndOfList(event)
    // What exists comes in no order of versions.
    if (found === undefined || isEnd) version = resourceVersionOf(object) || version
    const key = type === 'BOOKMARK' ? undefined : show(group, object, type === 'DELETED', board)
    if (key !== undefined) found?.add(key)
    if (!isEnd || found === undefined) continue
    showMissing(group, found, board)
    found = undefined
  }
  return { end: 'over', version }
}

type Listed =
  | { readonly status: 200; readonly items: readonly JsonObject[]; readonly version: string }
  | { readonly status: 403 }
  | { readonly status: 0; readonly reason: string }

async function list(
  cluster: Cluster,
  account: PlanContext['account'],
  path: string,
  selector: Query,
  signal: AbortSignal,
): Promise<Listed> {
  const items: JsonObject[] = []
  for (let token = ''; ; ) {
    const query = { ...selector, limit: PAGE, ...(token !== '' && { continue: token }) }
    const answer = await cluster.request(account, { method: 'GET', path, query, signal })
    if (answer.status === 403) return { status: 403 }
    if (answer.status !== 200) return { status: 0, reason: answerReason(answer) }
    items.push(...(Array.isArray(answer.body.items) ? answer.body.items.filter(isJsonObject) : []))
    const metadata = isJsonObject(answer.body.metadata) ? answer.body.metadata : {}
    token = typeof metadata.continue === 'string' ? metadata.continue : ''
    if (token === '') return { status: 200, items, version: resourceVersionOf(answer.body) }
  }
}

function showList(group: WatchGroup, items: readonly JsonObject[], board: HealthBoard): void {
  const found = new Set(items.flatMap((item) => show(group, item, false, board) ?? []))
  showMissing(group, found, board)
}

function showMissing({ members }: WatchGroup, found: ReadonlySet<string>, board: HealthBoard): void {
  for (const { key } of members) if (!found.has(key)) board.missing(key)
}

/** Items of a list come without apiVersion and kind. Returns the key of what was shown. */
function show({ resource }: WatchGroup, item: JsonObject, deleted: boolean, board: HealthBoard): string | undefined {
  const object = { ...item, apiVersion: apiVersionOf(resource), kind: resource.kind }
  if (!isKubeObject(object)) return undefined
  const key = objectKey({ ...objectId(object), group: groupOf(object.apiVersion) })
  if (!board.has(key)) return undefined
  if (deleted) board.gone(key, object)
  else board.seen(key, object)
  return key
}
