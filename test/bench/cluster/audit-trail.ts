import { randomUUID } from 'node:crypto'
import { type FileHandle, open } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Cluster } from '../../real/cluster.ts'

/** One request as the API server saw it. Times are the server's, in milliseconds since 1970 with fractions. */
export type Asked = {
  readonly verb: string
  readonly uri: string
  readonly user: string
  /** Who was impersonated. */
  readonly as: string | undefined
  readonly resource: string
  readonly group: string
  readonly subresource: string | undefined
  readonly namespace: string | undefined
  readonly name: string | undefined
  readonly isDryRun: boolean
  readonly status: number
  readonly startedMs: number
  readonly endedMs: number
}

/** What the API server's audit log says: it counts requests where they arrive, whatever a client says of itself. */
export type AuditTrail = {
  /** How many requests are known; everything that was answered before the call is among them. */
  mark(): Promise<number>
  /** Every request that was answered between two marks (default: until now), once each. A watch counts when it begins. */
  since(mark: number, until?: number): Promise<readonly Asked[]>
  /** The first answered request after a mark for which `is` holds; undefined when there is none within `waitMs`. */
  first(mark: number, is: (asked: Asked) => boolean, waitMs: number): Promise<Asked | undefined>
  close(): Promise<void>
}

type Line = {
  readonly auditID: string
  readonly stage: string
  readonly verb: string
  readonly requestURI: string
  readonly user: { readonly username: string }
  readonly impersonatedUser?: { readonly username: string }
  readonly objectRef?: {
    readonly resource?: string
    readonly subresource?: string
    readonly namespace?: string
    readonly name?: string
    readonly apiGroup?: string
  }
  readonly responseStatus?: { readonly code?: number }
  readonly requestReceivedTimestamp: string
  readonly stageTimestamp: string
}

const CHUNK_BYTES = 4 * 1024 * 1024

export async function openAuditTrail(cluster: Cluster): Promise<AuditTrail> {
  const file = await open(cluster.auditLog)
  const asked: Asked[] = []
  const watches = new Set<string>()
  const markers = new Set<string>()
  const chunk = Buffer.alloc(CHUNK_BYTES)
  let rest = Buffer.alloc(0)
  let reading = Promise.resolve()
  const take = (line: Line) => {
    if (line.requestURI.startsWith('/version?marker=')) return void markers.add(line.requestURI)
    if (line.verb === 'watch') {
      if (watches.has(line.auditID)) return
      watches.add(line.auditID)
    } else if (line.stage !== 'ResponseComplete') return
    asked.push(parseLine(line))
  }
  const readOn = (): Promise<void> => {
    reading = reading.then(async () => {
      for (let bytes = await read(file, chunk); bytes > 0; bytes = await read(file, chunk)) {
        const text = Buffer.concat([rest, chunk.subarray(0, bytes)])
        const end = text.lastIndexOf(0x0a) + 1
        rest = text.subarray(end)
        for (const line of text.toString('utf8', 0, end).split('\n')) if (line !== '') take(JSON.parse(line) as Line)
      }
    })
    return reading
  }
  const mark = async () => {
    const marker = `/version?marker=${randomUUID()}`
    await cluster.api('GET', marker)
    for (const deadline = Date.now() + 20_000; Date.now() < deadline; await sleep(20)) {
      await readOn()
      if (markers.delete(marker)) return asked.length
    }
    throw new Error('the audit log does not show a request made 20 s ago')
  }
  return {
    mark,
    since: async (from, until) => {
      const end = until ?? (await mark())
      return asked.slice(from, end)
    },
    first: async (from, is, waitMs) => {
      let at = from
      for (const deadline = Date.now() + waitMs; ; await sleep(5)) {
        await readOn()
        for (; at < asked.length; at++) {
          const one = asked[at]
          if (one !== undefined && is(one)) return one
        }
        if (Date.now() > deadline) return undefined
      }
    },
    close: () => file.close(),
  }
}

async function read(file: FileHandle, chunk: Buffer): Promise<number> {
  return (await file.read(chunk, 0, chunk.length, null)).bytesRead
}

function parseLine(line: Line): Asked {
  const { objectRef = {}, verb, requestURI: uri } = line
  return {
    verb,
    uri,
    user: line.user.username,
    as: line.impersonatedUser?.username,
    resource: objectRef.resource ?? uri.replace(/\?.*$/, ''),
    group: objectRef.apiGroup ?? '',
    subresource: objectRef.subresource,
    namespace: objectRef.namespace,
    name: objectRef.name,
    isDryRun: uri.includes('dryRun=All'),
    status: line.responseStatus?.code ?? 0,
    startedMs: timeOf(line.requestReceivedTimestamp),
    endedMs: timeOf(line.stageTimestamp),
  }
}

/** Microseconds, which Date drops. */
function timeOf(text: string): number {
  const [, whole = '', fraction = '0'] = /^([^.]+)(?:\.(\d+))?Z$/.exec(text) ?? []
  return Date.parse(`${whole}Z`) + Number(`0.${fraction}`) * 1000
}
