import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

export type Received = { readonly headers: Readonly<Record<string, string>>; readonly body: string }

/** A receiver of webhooks that answers as it is told to. */
export type FakeReceiver = {
  readonly url: string
  readonly received: readonly Received[]
  /** Of the requests to come. */
  answer: () => { readonly status: number; readonly headers?: Record<string, string> } | 'silence'
  close(): Promise<void>
}

export async function startReceiver(): Promise<FakeReceiver> {
  const received: Received[] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const headers = Object.entries(request.headers).map(([name, value]) => [name, String(value)])
      received.push({ headers: Object.fromEntries(headers), body: Buffer.concat(chunks).toString('utf8') })
      const answer = receiver.answer()
      if (answer === 'silence') return
      response.writeHead(answer.status, answer.headers ?? {}).end('ok')
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const receiver: FakeReceiver = {
    url: `http://127.0.0.1:${port}/hook`,
    received,
    answer: () => ({ status: 200 }),
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      await closed
    },
  }
  return receiver
}
