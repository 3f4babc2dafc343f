import { readFileSync } from 'node:fs'
import { Agent, type Dispatcher, request } from 'undici'
import { inParallel } from '../../../puller/cluster/in-parallel.ts'
import type { ClusterAddress } from '../../real/cluster.ts'
import { field } from '../../real/control-plane.ts'
import type { Recorded } from './recorder.ts'

/** Requests to send again: what was in flight together is sent together, everything else one after another. */
export type Score = readonly (readonly Recorded[])[]

/** Nothing but sending: the floor that a puller is held against. */
export type Replayer = {
  /** Sends a score once, with at most `atOnce` in flight. Throws where an answer is another one than was recorded. */
  play(score: Score, atOnce: number, renamed?: (text: string) => string): Promise<void>
  close(): Promise<void>
}

export function scoreOf(recorded: readonly Recorded[]): Score {
  const score: Recorded[][] = []
  let endMs = Number.NEGATIVE_INFINITY
  for (const one of recorded) {
    const last = score.at(-1)
    if (last === undefined || one.startedMs >= endMs) score.push([one])
    else last.push(one)
    endMs = Math.max(endMs, one.endedMs)
  }
  return score
}

/** The most that were in flight at a time. */
export function inFlightMax(recorded: readonly Recorded[]): number {
  const moments = recorded.flatMap(({ startedMs, endedMs }) => [
    { at: startedMs, by: 1 },
    { at: endedMs, by: -1 },
  ])
  let now = 0
  let most = 0
  for (const { by } of moments.toSorted((a, b) => a.at - b.at || a.by - b.by)) {
    now += by
    most = Math.max(most, now)
  }
  return most
}

export function openReplayer(plane: ClusterAddress, token: string): Replayer {
  const agent = new Agent({ connect: { ca: readFileSync(plane.caFile, 'utf8') }, keepAliveTimeout: 30_000 })
  const send = async (one: Recorded, renamed: (text: string) => string, versions: Map<string, string>) => {
    const body = one.body === '' ? null : current(renamed(one.body), versions)
    const answer = await request(`${plane.server}${renamed(one.path)}`, {
      method: one.method as Dispatcher.HttpMethod,
      dispatcher: agent,
      headers: {
        authorization: `Bearer ${token}`,
        accept: 'application/json',
        ...(one.contentType === undefined ? {} : { 'content-type': one.contentType }),
        ...(one.as === undefined ? {} : { 'impersonate-user': renamed(one.as) }),
      },
      body,
    })
    const text = await answer.body.text()
    if (answer.statusCode !== one.status)
      throw new Error(
        `${one.method} ${renamed(one.path)}: ${answer.statusCode}, not ${one.status}: ${text.slice(0, 500)}`,
      )
    if (one.method === 'POST' || one.method === 'PUT') remember(JSON.parse(text), versions)
  }
  return {
    play: async (score, atOnce, renamed = (text) => text) => {
      const versions = new Map<string, string>()
      for (const together of score) await inParallel(together, atOnce, (one) => send(one, renamed, versions))
    },
    close: () => agent.close(),
  }
}

function remember(object: unknown, versions: Map<string, string>): void {
  const version = field(object, 'metadata', 'resourceVersion')
  if (typeof version === 'string') versions.set(keyOf(object), version)
}

/** A body that names versions of what was written before, with those that are now. */
function current(body: string, versions: ReadonlyMap<string, string>): string {
  if (!body.includes('resourceVersion')) return body
  const value: unknown = JSON.parse(body)
  if (Array.isArray(value))
    return JSON.stringify(value.filter((op) => field(op, 'path') !== '/metadata/resourceVersion'))
  const version = versions.get(keyOf(value))
  const metadata = field(value, 'metadata')
  if (version === undefined || typeof metadata !== 'object' || typeof value !== 'object') return body
  return JSON.stringify({ ...value, metadata: { ...metadata, resourceVersion: version } })
}

function keyOf(object: unknown): string {
  return `${field(object, 'kind')}/${field(object, 'metadata', 'name')}`
}
