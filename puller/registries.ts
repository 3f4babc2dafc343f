import type { Digest } from '../contract/digest.ts'
import type { Reference } from '../contract/reference.ts'
import type { RegistryReader } from '../contract/registry.ts'
import {
  createRegistryReader,
  type RegistryConnection,
  type RegistryReaderOptions,
} from '../contract/registry-client.ts'
import type { Clock } from './clock.ts'
import type { PullAccess } from './secrets.ts'

/** Connections to registries, shared by Deliveries that use the same credentials; those that follow the same tag share the poll. */
export interface Registries {
  reader(access: PullAccess): RegistryReader
  /**
   * What a tag names: what another Delivery with the same credentials was told, when it asked no earlier than `sinceMs`; else one HEAD.
   */
  resolveTag(access: PullAccess, repository: Reference, tag: string, sinceMs: number): Promise<Digest>
  /** Closes connections that nobody used for ten minutes. */
  tidy(): Promise<void>
  close(): Promise<void>
}

const IDLE_MS = 600_000

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
    reader: (access) => lineOf(access).connection,
    resolveTag: (access, repository, tag, sinceMs) => {
      const { connection, polls } = lineOf(access)
      const name = `${repository.repository}:${tag}`
      const known = polls.get(name)
      if (known !== undefined && known.askedAtMs >= sinceMs) return known.answer
      const poll = { askedAtMs: clock.nowMs(), answer: connection.resolveTag(repository, tag) }
      polls.set(name, poll)
      // A failure is not shared with those who ask later.
      poll.answer.catch(() => polls.get(name) === poll && polls.delete(name))
      return poll.answer
    },
    tidy: () => close([...lines].filter(([, line]) => clock.nowMs() - line.usedAtMs > IDLE_MS)),
    close: () => close([...lines]),
  }
}
