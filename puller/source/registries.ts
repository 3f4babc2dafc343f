import type { Digest } from '../../contract/digest.ts'
import { type ErrorCode, WaybillError } from '../../contract/errors.ts'
import type { Reference } from '../../contract/reference.ts'
import type { RegistryReader, TagLister, TagResolver } from '../../contract/registry/registry.ts'
import {
  createRegistryReader,
  type RegistryConnection,
  type RegistryReaderOptions,
} from '../../contract/registry/registry-client.ts'
import type { Clock } from '../clock.ts'
import { type Observer, type RegistryOperation, secondsSince } from '../metrics/observation.ts'
import type { PullAccess } from './secrets.ts'
import { orGiveUp, SharedPolls } from './shared-polls.ts'

/** Connections to registries, shared by Deliveries that use the same credentials; those that follow the same tag share the poll. */
export interface Registries {
  /** For one who waits: `patience` says how. */
  reader(access: PullAccess, patience: Patience): RegistryReader
  /**
   * Tags, as another Delivery with the same credentials was told them when it asked no earlier than `sinceMs`; else one HEAD for what one
   * names, and one GET a page for all of them. A poll that is shared ends with the last who waits for it.
   */
  polls(access: PullAccess, patience: Patience, sinceMs: number): TagResolver & TagLister
  /** Closes connections that nobody used for ten minutes, and forgets what was asked before that. */
  tidy(): Promise<void>
  close(): Promise<void>
}

export type Outside = <T>(work: () => Promise<T>) => Promise<T>

export type Patience = {
  /** Every request is made inside it, so that a registry that stalls holds no place in the queue. */
  readonly outside: Outside
  /** Gives up: what nobody else waits for is ended, and fails as what could not be reached. */
  readonly signal: AbortSignal
}

const IDLE_MS = 600_000
/** Requests to one registry at a time. */
const REQUESTS_MAX = 16

type Line = {
  readonly connection: RegistryConnection
  usedAtMs: number
  readonly heads: SharedPolls<Digest>
  readonly lists: SharedPolls<readonly string[]>
}

export function createRegistries(
  {
    observe,
    ...options
  }: Pick<RegistryReaderOptions, 'plainHttp' | 'proxy' | 'idleMs' | 'requestMs'> & {
    readonly observe?: Observer
  },
  clock: Clock,
): Registries {
  const seen = async <T>(operation: RegistryOperation, ask: () => Promise<T>): Promise<T> => {
    const startMs = clock.nowMs()
    let code: ErrorCode | 'OK' = 'INTERNAL'
    try {
      const answer = await ask()
      code = 'OK'
      return answer
    } catch (error) {
      if (error instanceof WaybillError) code = error.code
      throw error
    } finally {
      observe?.({ kind: 'registry-request', operation, code, seconds: secondsSince(clock, startMs) })
    }
  }
  const lines = new Map<string, Line>()
  const gates = new Map<string, Outside>()
  const gateOf = ({ registry }: Reference): Outside => {
    const gate = gates.get(registry) ?? createGate(REQUESTS_MAX)
    gates.set(registry, gate)
    return gate
  }
  const lineOf = (access: PullAccess): Line => {
    const { credentials, ca, shareKey } = access
    let line = lines.get(shareKey)
    if (line === undefined) {
      const connection = createRegistryReader({ ...options, credentials, ...(ca === undefined ? {} : { ca }) })
      line = { connection, usedAtMs: 0, heads: new SharedPolls(clock), lists: new SharedPolls(clock) }
      lines.set(shareKey, line)
    }
    line.usedAtMs = clock.nowMs()
    return line
  }
  const close = async (those: readonly [string, Line][]) => {
    for (const [key] of those) lines.delete(key)
    await Promise.all(those.map(([, line]) => line.connection.close()))
  }
  return {
    reader: (access, { outside, signal }) => {
      const connection = lineOf(access).connection.until(signal)
      const from = <T>(operation: RegistryOperation, repository: Reference, ask: () => Promise<T>) =>
        outside(() =>
          orGiveUp(
            repository.repository,
            signal,
            gateOf(repository)(() => seen(operation, ask)),
          ),
        )
      return {
        resolveTag: (repository, tag) => from('resolve-tag', repository, () => connection.resolveTag(repository, tag)),
        fetchManifest: (repository, digest) =>
          from('manifest', repository, () => connection.fetchManifest(repository, digest)),
        fetchBundles: (repository, digest) =>
          from('bundles', repository, () => connection.fetchBundles(repository, digest)),
        fetchBlob: (repository, descriptor, bytesMax) =>
          from('blob', repository, () => connection.fetchBlob(repository, descriptor, bytesMax)),
      }
    },
    polls: (access, { outside, signal }, sinceMs) => {
      const { connection, heads, lists } = lineOf(access)
      return {
        resolveTag: (repository, tag) =>
          outside(() =>
            heads.ask(`${repository.repository}:${tag}`, { sinceMs, signal }, (stop) =>
              gateOf(repository)(() => seen('resolve-tag', () => connection.until(stop).resolveTag(repository, tag))),
            ),
          ),
        listTags: (repository) =>
          outside(() =>
            lists.ask(repository.repository, { sinceMs, signal }, (stop) =>
              gateOf(repository)(() => seen('list-tags', () => connection.until(stop).listTags(repository))),
            ),
          ),
      }
    },
    tidy: async () => {
      const before = clock.nowMs() - IDLE_MS
      for (const { heads, lists } of lines.values()) for (const polls of [heads, lists]) polls.forget(before)
      await close([...lines].filter(([, line]) => line.usedAtMs < before))
    },
    close: () => close([...lines]),
  }
}

/** Lets at most `max` works run at a time, in the order in which they came. */
export function createGate(max: number): Outside {
  const waiting: (() => void)[] = []
  let running = 0
  return async (work) => {
    if (running >= max) await new Promise<void>((resolve) => waiting.push(resolve))
    else running += 1
    try {
      return await work()
    } finally {
      const next = waiting.shift()
      if (next === undefined) running -= 1
      else next()
    }
  }
}
