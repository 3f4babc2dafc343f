import { type ErrorCode, WaybillError } from '../contract/errors.ts'
import type { ClusterAnswer } from './cluster-port.ts'

const CODES: Readonly<Record<number, ErrorCode>> = {
  403: 'CLUSTER_FORBIDDEN',
  404: 'CLUSTER_NOT_FOUND',
  409: 'CLUSTER_CONFLICT',
}

/**
 * An answer that is not a success, as an error: `what` and the API server's `reason` (a word of its own), never its
 * message, which repeats values that were sent.
 */
export function answerError(what: string, answer: ClusterAnswer): WaybillError {
  const reason = typeof answer.body.reason === 'string' ? `, ${answer.body.reason.slice(0, 64)}` : ''
  return new WaybillError(
    CODES[answer.status] ?? 'CLUSTER_FAILED',
    `${what}: the API server answered ${answer.status}${reason}`,
  )
}
