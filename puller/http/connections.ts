import type { Server } from 'node:http'
import type { Socket } from 'node:net'

/**
 * Keeps at most `max` connections: for a new one the longest idle one is closed, and where all are busy, the one that has been so longest. So
 * a probe, which asks at once, is answered however many connections others hold open.
 */
export function boundConnections(server: Server, max: number): void {
  // Both in the order in which they became so.
  const idle = new Set<Socket>()
  const busy = new Set<Socket>()
  // Closing takes a moment; what comes faster than that is dropped.
  server.maxConnections = 2 * max
  server.on('connection', (socket) => {
    if (idle.size + busy.size >= max) {
      const [oldest] = idle.size > 0 ? idle : busy
      if (oldest !== undefined) forget(oldest).destroy()
    }
    idle.add(socket)
    socket.once('close', () => forget(socket))
  })
  server.on('request', ({ socket }, response) => {
    idle.delete(socket)
    busy.add(socket)
    response.once('close', () => {
      if (busy.delete(socket) && !socket.destroyed) idle.add(socket)
    })
  })
  function forget(socket: Socket): Socket {
    idle.delete(socket)
    busy.delete(socket)
    return socket
  }
}
