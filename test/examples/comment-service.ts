import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { TestContext } from 'node:test'

/** What GitHub and GitLab have in common where comments are: a list, one more, and one written over. */
export type CommentService = { readonly url: string; readonly comments: () => readonly string[] }

/** Answers 401 without the header, and remembers. There is a comment of somebody else from the start. */
export async function startCommentService(
  t: TestContext,
  header: { readonly name: string; readonly value: string },
): Promise<CommentService> {
  const comments = [{ id: 1, body: 'Looks good', user: { type: 'User' } }]
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const allowed = request.headers[header.name] === header.value
      if (!allowed) response.writeHead(401).end()
      else if (request.method === 'GET') response.end(JSON.stringify(comments))
      else {
        const { body } = JSON.parse(Buffer.concat(chunks).toString('utf8'))
        const id = Number(/\/(\d+)$/.exec(request.url ?? '')?.[1])
        const there = request.method === 'POST' ? undefined : comments.find((comment) => comment.id === id)
        if (there !== undefined) there.body = body
        else comments.push({ id: comments.length + 1, body, user: { type: 'Bot' } })
        response.end('{}')
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  return { url: `http://127.0.0.1:${address.port}`, comments: () => comments.map(({ body }) => body) }
}
