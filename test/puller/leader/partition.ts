import { readFileSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'

/** A line between one replica and the API server: `open`, `cut` (connections end, new ones too) or `stalled` (nothing moves). */
export type Line = {
  /** A kubeconfig that leads through it, with the credentials of the one it was made from. */
  readonly kubeconfig: string
  set(state: 'open' | 'cut' | 'stalled'): void
  close(): Promise<void>
}

export async function startLine(kubeconfig: string): Promise<Line> {
  const config = JSON.parse(readFileSync(kubeconfig, 'utf8'))
  const target = new URL(config.clusters[0].cluster.server)
  const sockets = new Set<Socket>()
  let state: Parameters<Line['set']>[0] = 'open'
  const track = (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket))
    if (state === 'stalled') socket.pause()
  }
  const server = createServer((near) => {
    if (state === 'cut') return void near.destroy()
    const far = connect(Number(target.port), target.hostname)
    far.pipe(near)
    near.pipe(far)
    near.on('close', () => far.destroy())
    far.on('close', () => near.destroy())
    for (const socket of [near, far]) track(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : 0
  config.clusters[0].cluster.server = `https://127.0.0.1:${port}`
  const path = `${kubeconfig}-line-${port}`
  writeFileSync(path, JSON.stringify(config), { mode: 0o600 })
  return {
    kubeconfig: path,
    set: (next) => {
      state = next
      for (const socket of sockets) {
        if (next === 'cut') socket.destroy()
        else if (next === 'stalled') socket.pause()
        else socket.resume()
      }
    },
    close: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}
