import type { Digest } from '../../contract/digest.ts'
import type { Reference } from '../../contract/reference.ts'
import type { RegistryReader } from '../../contract/registry/registry.ts'
import {
  createRegistryReader,
  type RegistryConnection,
  type RegistryReaderOptions,
} from '../../contract/registry/registry-client.ts'
import type { Clock } from '../clock.ts'
import type { PullAccess } from './secrets.ts'

/** Connections to registries, shared by Deliveries that use the same credentials; those that follow the same tag share the poll. */
export interface Registries {
  /** Every request is made inside `outside`, so that a registry that stalls holds no place in the queue. */
  reader(access: PullAccess, outside: Outside): RegistryReader
  /**
   * What a tag names: what another Delivery with the same credentials was told, when it asked no earlier than `sinceMs`; else one HEAD.
   */
  resolveTag(access: PullAccess, repository: Reference, tag: string, sinceMs: number): Promise<Digest>
  /** Closes connections that nobody used for ten minutes. */
  tidy(): Promise<void>
  close(): Promise<void>
}

export type Outside = <T>(work: () => Promise<T>) => Promise<T>

const IDLE_MS = 600_000
/** Requests to one registry at a time. */
const REQUESTS_MAX = 16

type Line = {
  readonly connection: RegistryConnection
  usedAtMs: number
  readonly polls: Map<string, { readonly askedAtMs: number; readonly answer: Promise<Digest> }>
}

export function createRegistries(
  options: Pick<RegistryReaderOptions, 'plainHttp' | 'proxy' | 'idleMs' | 'requestMs'>,
  clock: Clock,
): Registries {
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
      line = { connection, usedAtMs: 0, polls: new Map() }
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
    reader: (access, outside) => {
      const { connection } = lineOf(access)
      const from = <T>(repository: Reference, ask: () => Promise<T>) => outside(() => gateOf(repository)(ask))
      return {
        resolveTag: (repository, tag) => from(repository, () => connection.resolveTag(repository, tag)),
        fetchManifest: (repository, digest) => from(repository, () => connection.fetchManifest(repository, digest)),
        fetchBundles: (repository, digest) => from(repository, () => connection.fetchBundles(repository, digest)),
        fetchBlob: (repository, descriptor, bytesMax) =>
          from(repository, () => connection.fetchBlob(repository, descriptor, bytesMax)),
      }
    },
    resolveTag: (access, repository, tag, sinceMs) => {
      const { connection, polls } = lineOf(access)
      const name = `${repository.repository}:${tag}`
      const known = polls.get(name)
      if (known !== undefined && known.askedAtMs >= sinceMs) return known.answer
      const poll = {
        askedAtMs: clock.nowMs(),
        answer: gateOf(repository)(() => connection.resolveTag(repository, tag)),
      }
      polls.set(name, poll)
      // A failure is not shared with those who ask later.
      poll.answer.catch(() => polls.get(name) === poll && polls.delete(name))
      return poll.answer
    },
    tidy: () => close([...lines].filter(([, line]) => clock.nowMs() - line.usedAtMs > IDLE_MS)),
    close: () => close([...lines]),
  }
}

/** Lets at most `max` works run at a time, in the order in which they came. */
function createGate(max: number): Outside {
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
