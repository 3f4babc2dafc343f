import { isKubeObject, type KubeObject } from '../../contract/artifact/objects.ts'
import type { JsonObject } from '../../contract/canonical-json.ts'
import type { Cluster, ClusterAnswer, Resource } from '../cluster/cluster-port.ts'
import { collectionPath, objectUrl } from '../cluster/resources.ts'
import { FIELD_MANAGER } from '../kinds.ts'
import type { DesiredObject } from './desired.ts'
import type { Account } from './plan-context.ts'
import { judge, type Verdict } from './refusal.ts'
import type { SchemaCheck } from './schema-check.ts'

const APPLY_PATCH = 'application/apply-patch+yaml'
/** No object ever has it: the store's first write is a later one. An apply that carries it creates, and never changes what exists (0002-create-only). */
const NEVER_A_VERSION = '1'

/** What a write is bound to: nothing of that name may exist, or exactly the object with this uid must. */
export type Expecting = 'absent' | { readonly uid: string }

export type ApplyOptions = { readonly dryRun: boolean; readonly signal?: AbortSignal | undefined }

/** Server-side apply of one object, forced, strictly validated, as the account; never to another object than the one expected. */
export function applyObject(
  cluster: Cluster,
  account: Account,
  resource: Resource,
  desired: DesiredObject,
  expecting: Expecting,
  { dryRun, signal }: ApplyOptions,
): Promise<ClusterAnswer> {
  const bound = expecting === 'absent' ? { resourceVersion: NEVER_A_VERSION } : { uid: expecting.uid }
  const body: JsonObject = { ...desired.object, metadata: { ...desired.object.metadata, ...bound } }
  return cluster.request(account, {
    method: 'PATCH',
    path: objectUrl(resource, desired.id),
    query: { fieldManager: FIELD_MANAGER, force: 'true', fieldValidation: 'Strict', ...(dryRun && { dryRun: 'All' }) },
    contentType: APPLY_PATCH,
    body,
    ...(signal !== undefined && { signal }),
  })
}

export type DryRun = { readonly result: KubeObject } | { readonly answer: ClusterAnswer; readonly verdict: Verdict }

/**
 * Asks the server what our apply would do, writing nothing. An object that does not fit its kind is answered with a bare 500, as a
 * broken webhook is; then the published schema is asked which fields are at fault, and after that a dry-run create, which answers 400.
 */
export async function dryRunObject(
  cluster: Cluster,
  account: Account,
  resource: Resource,
  desired: DesiredObject,
  expecting: Expecting,
  schemas: SchemaCheck,
  signal?: AbortSignal,
): Promise<DryRun> {
  const answer = await applyObject(cluster, account, resource, desired, expecting, { dryRun: true, signal })
  if (answer.status === 200 || answer.status === 201) {
    if (isKubeObject(answer.body)) return { result: answer.body }
    return { answer, verdict: judge({ status: 500, body: {} }, desired, { update: false }) }
  }
  const verdict = judge(answer, desired, { update: expecting !== 'absent' })
  if (answer.status !== 500) return { answer, verdict }
  const faults = await schemas.faultsOf(desired)
  if (faults !== undefined && faults.length > 0) return { answer, verdict: unfit(desired, faults.join('; ')) }
  const probe = await cluster.request(account, {
    method: 'POST',
    path: collectionPath(resource, desired.id.namespace),
    query: { fieldManager: FIELD_MANAGER, fieldValidation: 'Strict', dryRun: 'All' },
    body: desired.object,
    ...(signal !== undefined && { signal }),
  })
  if (probe.status === 400 || probe.status === 422)
    return { answer, verdict: unfit(desired, 'the API server cannot read it as an object of its kind') }
  return { answer, verdict }
}

function unfit(desired: DesiredObject, message: string): Verdict {
  return { result: 'refused', refusal: { object: desired.name, code: 'OBJECT_REFUSED', message } }
}
