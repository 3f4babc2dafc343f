import { readFileSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { Agent, request } from 'node:https'
import { buffer } from 'node:stream/consumers'
import type { ClusterAddress } from '../real/cluster.ts'

/** Kill before write number `write` (from 1) reaches the API server, or after it was done and before its answer comes back. */
export type KillAt = { readonly write: number; readonly when: 'before' | 'after' }

/** Stands between one puller and the API server, counts its writes, and says when to kill it. From then on nothing passes. */
export type KillProxy = {
  /** A kubeconfig that leads through the proxy. */
  readonly kubeconfig: string
  /** `METHOD /path` of every write that was about to be made, in order. */
  readonly writes: readonly string[]
  readonly killed: () => boolean
  close(): Promise<void>
}

export async function startKillProxy(
  plane: ClusterAddress,
  options: {
    readonly token: string
    readonly at: KillAt | undefined
    readonly kill: () => void
    /** Keeps a request back for as long as it says, and passes it on then, though who made it may be gone. */
    readonly hold?: (line: string) => Promise<void> | undefined
  },
): Promise<KillProxy> {
  const agent = new Agent({ ca: readFileSync(plane.caFile), keepAlive: true })
  const target = new URL(plane.server)
  const writes: string[] = []
  let killed = false
  const kill = (response: ServerResponse) => {
    if (!killed) options.kill()
    killed = true
    response.destroy()
  }
  const handle = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await buffer(incoming)
    if (killed) return void response.destroy()
    const mine = isWrite(incoming) ? writes.push(`${incoming.method} ${incoming.url}`) : 0
    const isTheOne = mine > 0 && mine === options.at?.write
    if (isTheOne && options.at?.when === 'before') return kill(response)
    await options.hold?.(`${incoming.method} ${incoming.url}`)
    const { hostname, port } = target
    const forwarded = request(
      {
        hostname,
        port,
        agent,
        method: incoming.method,
        path: incoming.url,
        headers: { ...incoming.headers, host: target.host },
      },
      (answer) => {
        if (isTheOne) {
          answer.resume()
          answer.on('end', () => kill(response))
          return
        }
        if (killed) return void response.destroy()
        response.writeHead(answer.statusCode ?? 502, answer.headers)
        answer.pipe(response)
        response.on('close', () => answer.destroy())
      },
    )
    forwarded.on('error', () => response.destroy())
    forwarded.end(body)
  }
  const server = createServer((incoming, response) => {
    handle(incoming, response).catch(() => response.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : 0
  const kubeconfig = `${plane.directory}/kill-proxy-${port}.kubeconfig`
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'proxy', cluster: { server: `http://127.0.0.1:${port}`, 'insecure-skip-tls-verify': true } }],
    users: [{ name: 'puller', user: { token: options.token } }],
    contexts: [{ name: 'proxy', context: { cluster: 'proxy', user: 'puller' } }],
    'current-context': 'proxy',
  }
  writeFileSync(kubeconfig, JSON.stringify(config), { mode: 0o600 })
  return {
    kubeconfig,
    writes,
    killed: () => killed,
    close: async () => {
      server.closeAllConnections()
      await new Promise<void>((resolve) => server.close(() => resolve()))
      agent.destroy()
    },
  }
}

/** Events are told beside everything else, and nobody reads them back. */
function isWrite({ method = 'GET', url = '' }: IncomingMessage): boolean {
  return method !== 'GET' && !url.includes('dryRun=All') && !/\/self[a-z]+reviews|\/events(?:[/?]|$)/.test(url)
}
