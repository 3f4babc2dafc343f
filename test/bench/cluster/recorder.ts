import { readFileSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { Agent, request } from 'node:https'
import { buffer } from 'node:stream/consumers'
import type { ClusterAddress } from '../../real/cluster.ts'

/** One request as it was sent, and when, in milliseconds of one clock. */
export type Recorded = {
  readonly method: string
  /** With its query. */
  readonly path: string
  readonly contentType: string | undefined
  /** `system:serviceaccount:NAMESPACE:NAME` that was impersonated. */
  readonly as: string | undefined
  readonly body: string
  readonly startedMs: number
  readonly endedMs: number
  readonly status: number
}

/** Stands between a puller and the API server, and writes down what is asked. */
export type Recorder = {
  /** A kubeconfig that leads through it. */
  readonly kubeconfig: string
  /** In the order in which they began. */
  requests(): readonly Recorded[]
  close(): Promise<void>
}

export async function startRecorder(plane: ClusterAddress, token: string): Promise<Recorder> {
  const agent = new Agent({ ca: readFileSync(plane.caFile), keepAlive: true })
  const target = new URL(plane.server)
  const recorded: Recorded[] = []
  const handle = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
    const startedMs = performance.now()
    const body = await buffer(incoming)
    const { method = 'GET', url: path = '/', headers } = incoming
    const forwarded = request(
      {
        hostname: target.hostname,
        port: target.port,
        agent,
        method,
        path,
        headers: { ...headers, host: target.host },
      },
      (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers)
        answer.pipe(response)
        answer.on('end', () => {
          const said = headers['impersonate-user']
          recorded.push({
            method,
            path,
            contentType: headers['content-type'],
            as: typeof said === 'string' ? said : undefined,
            body: body.toString('utf8'),
            startedMs,
            endedMs: performance.now(),
            status: answer.statusCode ?? 0,
          })
        })
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
  const kubeconfig = `${plane.directory}/recorder-${port}.kubeconfig`
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'recorder', cluster: { server: `http://127.0.0.1:${port}` } }],
    users: [{ name: 'puller', user: { token } }],
    contexts: [{ name: 'recorder', context: { cluster: 'recorder', user: 'puller' } }],
    'current-context': 'recorder',
  }
  writeFileSync(kubeconfig, JSON.stringify(config), { mode: 0o600 })
  return {
    kubeconfig,
    requests: () => recorded.toSorted((a, b) => a.startedMs - b.startedMs),
    close: async () => {
      server.closeAllConnections()
      await new Promise<void>((resolve) => server.close(() => resolve()))
      agent.destroy()
    },
  }
}
