import { type ErrorCode, WaybillError } from '../../contract/errors.ts'
import { answerReason } from './answer.ts'
import type { ClusterAnswer } from './cluster-port.ts'

const CODES: Readonly<Record<number, ErrorCode>> = {
  403: 'CLUSTER_FORBIDDEN',
  404: 'CLUSTER_NOT_FOUND',
  409: 'CLUSTER_CONFLICT',
}

/** An answer that is not a success, as an error: `what`, and what `answerReason` lets be said. */
export function answerError(what: string, answer: ClusterAnswer): WaybillError {
  return new WaybillError(CODES[answer.status] ?? 'CLUSTER_FAILED', `${what}: ${answerReason(answer)}`)
}
