import type { ClusterAnswer } from './cluster-port.ts'

/**
 * What may be said of an answer of the API server: its status, reason, the kind and name it speaks of, and the fields
 * and reasons of its causes. Never its message: that repeats what was sent.
 */
export function answerReason(answer: ClusterAnswer): string {
  return `the API server answered ${answer.status}`
}
