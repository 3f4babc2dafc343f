import type { KubeObject } from '../../contract/artifact/objects.ts'
import { isJsonObject, type Json, type JsonObject } from '../../contract/canonical-json.ts'
import { conditionOf, number, objectsIn, said, spec, status, word } from './conditions.ts'

/** Kinds that run Pods which a selector of theirs, or for a Job its name, finds. */
const RUN_PODS: ReadonlySet<string> = new Set([
  'Deployment.apps',
  'StatefulSet.apps',
  'DaemonSet.apps',
  'ReplicaSet.apps',
  'Job.batch',
])
const SENTENCES_MAX = 3
const CONTAINER = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/
/** Two names of one trouble, which take turns. */
const UNPULLED: ReadonlySet<string> = new Set(['ErrImagePull', 'ImagePullBackOff'])

/** The label selector of a workload's Pods, as a list request takes it; undefined for what runs none, or does not say which. */
export function podSelector({ group, kind }: { readonly group: string; readonly kind: string }, object: KubeObject) {
  if (!RUN_PODS.has(`${kind}.${group}`)) return undefined
  if (kind === 'Job') return `batch.kubernetes.io/job-name=${object.metadata.name}`
  const { selector } = spec(object)
  if (!isJsonObject(selector)) return undefined
  const labels = isJsonObject(selector.matchLabels) ? selector.matchLabels : {}
  const terms = [...Object.entries(labels).map(([key, value]) => `${key}=${String(value)}`), ...expressions(selector)]
  return terms.length === 0 ? undefined : terms.join(',')
}

function expressions({ matchExpressions }: JsonObject): string[] {
  return objectsIn(matchExpressions).map(({ key, operator, values }) => {
    const list = Array.isArray(values) ? `(${values.join(',')})` : '()'
    if (operator === 'In') return `${key} in ${list}`
    if (operator === 'NotIn') return `${key} notin ${list}`
    return operator === 'Exists' ? `${key}` : `!${key}`
  })
}

/**
 * Why Pods are not ready, in our own words: names of containers, exit codes and the API's reasons, never messages. What changes by
 * itself from one moment to the next (names of Pods, how many, how often they restarted) is left out: who asks again gets the same.
 */
export function podFaults(pods: readonly KubeObject[]): string {
  const sentences = pods.filter(isDue).flatMap(faultsOf)
  return [...new Set(sentences)].sort().slice(0, SENTENCES_MAX).join(', ')
}

/** Those that are ready, have done their work or are on their way out are not waited for. */
function isDue(pod: KubeObject): boolean {
  return (
    pod.metadata.deletionTimestamp === undefined &&
    status(pod).phase !== 'Succeeded' &&
    conditionOf(pod, 'Ready')?.status !== 'True'
  )
}

function faultsOf(pod: KubeObject): string[] {
  const { initContainerStatuses, containerStatuses } = status(pod)
  const containers = [...objectsIn(initContainerStatuses), ...objectsIn(containerStatuses)]
  const faults = containers.flatMap(containerFault)
  if (faults.length > 0) return faults
  const scheduled = conditionOf(pod, 'PodScheduled')
  return scheduled?.status === 'False' ? [`not scheduled${said(scheduled)}`] : []
}

function containerFault({ name, ready, state, lastState }: JsonObject): string[] {
  if (typeof name !== 'string' || !CONTAINER.test(name) || ready === true) return []
  const held = word(partOf(state, 'waiting').reason)
  const ended = [partOf(state, 'terminated'), partOf(lastState, 'terminated')].find((one) => 'exitCode' in one)
  const hasDone = 'exitCode' in partOf(state, 'terminated') && number(ended?.exitCode) === 0
  if (hasDone) return []
  if (ended !== undefined) {
    const reason = word(ended.reason)
    const why = ['', 'Error', 'Completed'].includes(reason) ? '' : ` (${reason})`
    return [`container ${name} exits with ${number(ended.exitCode)}${why}`]
  }
  if (UNPULLED.has(held)) return [`container ${name}: ImagePullBackOff`]
  // Those that come after it wait for it.
  if (held === 'PodInitializing') return []
  if (held !== '') return [`container ${name}: ${held}`]
  return 'startedAt' in partOf(state, 'running') ? [`container ${name} runs and is not ready`] : []
}

function partOf(state: Json | undefined, part: 'waiting' | 'running' | 'terminated'): JsonObject {
  const found = isJsonObject(state) ? state[part] : undefined
  return isJsonObject(found) ? found : {}
}
