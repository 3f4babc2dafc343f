import type { ErrorCode } from '../../contract/errors.ts'
import { answerReason, causesOf } from '../cluster/answer.ts'
import type { ClusterAnswer } from '../cluster/cluster-port.ts'
import type { DesiredObject } from './desired.ts'

/** Why one object cannot be (`Deployment.apps shop/api`): a code and our own words, never the server's. */
export type Refusal = { readonly object: string; readonly code: ErrorCode; readonly message: string }

/** `refused`: the object is at fault, or who asks. `failed`: neither yes nor no; it may be another answer later. */
export type Verdict = { readonly result: 'refused' | 'failed'; readonly refusal: Refusal }

/**
 * What an answer that is not a success says of an object. `update`: the object exists and is changed. A 500 without more is left as
 * `failed`, though the server also answers so to an object that does not fit its kind: see puller/plan/dry-run.ts.
 */
export function judge(answer: ClusterAnswer, desired: DesiredObject, options: { readonly update: boolean }): Verdict {
  const refused = (code: ErrorCode, message: string): Verdict => ({
    result: 'refused',
    refusal: { object: desired.name, code, message },
  })
  const failed = (code: ErrorCode, message: string): Verdict => ({
    result: 'failed',
    refusal: { object: desired.name, code, message },
  })
  const said = answerReason(answer)
  switch (answer.status) {
    case 403:
      return refused('OBJECT_FORBIDDEN', `the service account may not, or an admission rule forbids it: ${said}`)
    case 404:
      return isNamespaceMissing(answer)
        ? refused(
            'OBJECT_REFUSED',
            `namespace ${desired.id.namespace} does not exist, and the artifact does not bring it`,
          )
        : failed('CLUSTER_CONFLICT', `it, or what it needs, is not there: ${said}`)
    case 409:
      return failed('CLUSTER_CONFLICT', `somebody else made, changed or deleted it meanwhile: ${said}`)
    case 422:
      if (causesOf(answer).some(({ field }) => field === 'metadata.uid'))
        return failed('CLUSTER_CONFLICT', 'another object took its place meanwhile')
      if (options.update && isImmutable(answer, desired))
        return isJob(desired)
          ? refused('JOB_CHANGED', `a Job of that name exists and differs: ${said}`)
          : refused('OBJECT_IMMUTABLE', said)
      return refused('OBJECT_REFUSED', said)
    case 400:
    case 413:
    case 415:
      return refused('OBJECT_REFUSED', said)
    default:
      return failed('CLUSTER_FAILED', said)
  }
}

function isJob({ id }: DesiredObject): boolean {
  return id.group === 'batch' && id.kind === 'Job'
}

/** Kinds whose validation answers a change of what cannot change with FieldValueForbidden. */
const FORBIDS_UPDATES = [
  'StatefulSet',
  'PersistentVolumeClaim',
  'PersistentVolume',
  'Secret',
  'ConfigMap',
  'StorageClass',
]

function isImmutable(answer: ClusterAnswer, { id }: DesiredObject): boolean {
  return causesOf(answer).some(
    ({ immutable, reason, field }) =>
      immutable || field === 'roleRef' || (reason === 'FieldValueForbidden' && FORBIDS_UPDATES.includes(id.kind)),
  )
}

export function isNamespaceMissing({ status, body }: ClusterAnswer): boolean {
  const { details } = body
  return (
    status === 404 &&
    typeof details === 'object' &&
    details !== null &&
    'kind' in details &&
    details.kind === 'namespaces'
  )
}
