import type { Frame, Node } from './node.ts'

const MESSAGE_BYTES_MAX = 5 * 1024

/** What a messageExpression says, trimmed; '' where the API server falls back to the message: no text, several lines, too much of it. */
export function madeMessage(run: Node['run'], frame: Frame): string {
  const result = run(frame)
  if (typeof result !== 'string') return ''
  const trimmed = result.trim()
  return Buffer.byteLength(trimmed) > MESSAGE_BYTES_MAX || trimmed.includes('\n') ? '' : trimmed
}
