import { isJsonObject } from '../../contract/canonical-json.ts'
import { conditionOf, isObserved, number, objectsIn, said, spec, status, word } from './conditions.ts'
import { failed, HEALTHY, type HealthRule, type ObjectHealth, waiting } from './object-health.ts'

const UNSEEN: ObjectHealth = waiting('its controller has not seen this generation yet')

/** Numbers that must be reached, in the order in which they are; the first that is not is what is waited for. */
function reached(...steps: readonly (readonly [what: string, have: number, want: number])[]): ObjectHealth {
  const behind = steps.find(([, have, want]) => have < want)
  return behind === undefined ? HEALTHY : waiting(`${behind[1]} of ${behind[2]} ${behind[0]}`)
}

/** What the Deployment controller takes for no deadline at all. */
const NO_DEADLINE = 2 ** 31 - 1

export const deployment: HealthRule = (object) => {
  const { observedGeneration, replicas, updatedReplicas, availableReplicas, readyReplicas } = status(object)
  if (observedGeneration === undefined || !isObserved(object)) return UNSEEN
  const progressing = conditionOf(object, 'Progressing')
  if (progressing?.reason === 'ProgressDeadlineExceeded') return failed('ProgressDeadlineExceeded')
  const want = number(spec(object).replicas, 1)
  const numbers = reached(
    ['replicas', number(replicas), want],
    ['replicas updated', number(updatedReplicas), want],
    ['replicas ready', number(readyReplicas), want],
    ['replicas available', number(availableReplicas), want],
  )
  if (numbers.state !== 'healthy') {
    const failure = conditionOf(object, 'ReplicaFailure')
    return failure?.status === 'True' && numbers.state === 'waiting'
      ? waiting(`${numbers.message}: ReplicaFailure${said(failure)}`)
      : numbers
  }
  if (number(replicas) > number(updatedReplicas))
    return waiting(`${number(replicas) - number(updatedReplicas)} old replicas still run`)
  const { progressDeadlineSeconds } = spec(object)
  const isRolledOut = progressing?.status === 'True' && progressing.reason === 'NewReplicaSetAvailable'
  // Without a deadline the controller does not say how far it is.
  if (number(progressDeadlineSeconds, NO_DEADLINE) < NO_DEADLINE && !isRolledOut)
    return waiting(`its rollout is not complete${progressing === undefined ? '' : said(progressing)}`)
  const available = conditionOf(object, 'Available')
  if (want > 0 && available !== undefined && available.status !== 'True')
    return waiting(`not available${said(available)}`)
  return HEALTHY
}

export const statefulSet: HealthRule = (object) => {
  const { updateStrategy } = spec(object)
  const { observedGeneration, replicas, readyReplicas, availableReplicas, updatedReplicas, currentReplicas } =
    status(object)
  const { currentRevision, updateRevision } = status(object)
  if (observedGeneration === undefined || !isObserved(object)) return UNSEEN
  const strategy = isJsonObject(updateStrategy) ? updateStrategy : {}
  const want = number(spec(object).replicas, 1)
  if (strategy.type === 'OnDelete') return HEALTHY
  const rolling = isJsonObject(strategy.rollingUpdate) ? strategy.rollingUpdate : {}
  const partition = number(rolling.partition)
  const numbers = reached(
    ['replicas', number(replicas), want],
    ['replicas ready', number(readyReplicas), want],
    ['replicas available', number(availableReplicas, number(readyReplicas)), want],
  )
  if (numbers.state !== 'healthy') return numbers
  if (number(replicas) > want) return waiting(`${number(replicas) - want} replicas too many`)
  if (partition > 0) return reached(['replicas updated', number(updatedReplicas), Math.max(0, want - partition)])
  const current = reached(['replicas current', number(currentReplicas, number(updatedReplicas)), want])
  if (current.state !== 'healthy') return current
  return currentRevision === updateRevision ? HEALTHY : waiting('the new revision is not everywhere yet')
}

export const daemonSet: HealthRule = (object) => {
  const { observedGeneration, desiredNumberScheduled, currentNumberScheduled, updatedNumberScheduled } = status(object)
  const { numberAvailable, numberReady } = status(object)
  if (observedGeneration === undefined || !isObserved(object)) return UNSEEN
  if (desiredNumberScheduled === undefined) return waiting('it does not know yet how many nodes it is for')
  const want = number(desiredNumberScheduled)
  return reached(
    ['scheduled', number(currentNumberScheduled), want],
    ['updated', number(updatedNumberScheduled), want],
    ['available', number(numberAvailable), want],
    ['ready', number(numberReady), want],
  )
}

export const replicaSet: HealthRule = (object) => {
  const { observedGeneration, replicas, fullyLabeledReplicas, availableReplicas, readyReplicas } = status(object)
  if (observedGeneration === undefined || !isObserved(object)) return UNSEEN
  const failure = conditionOf(object, 'ReplicaFailure')
  if (failure?.status === 'True') return waiting(`ReplicaFailure${said(failure)}`)
  const want = number(spec(object).replicas, 1)
  const numbers = reached(
    ['replicas labelled', number(fullyLabeledReplicas), want],
    ['replicas available', number(availableReplicas), want],
    ['replicas ready', number(readyReplicas), want],
  )
  if (numbers.state === 'healthy' && number(replicas) > want)
    return waiting(`${number(replicas) - want} replicas too many`)
  return numbers
}

export const pod: HealthRule = (object) => {
  const { phase, containerStatuses, initContainerStatuses } = status(object)
  if (phase === 'Succeeded') return HEALTHY
  if (phase === 'Failed') return failed('it ended with an error')
  if (phase === 'Running' && conditionOf(object, 'Ready')?.status === 'True') return HEALTHY
  const containers = [initContainerStatuses, containerStatuses].flatMap(objectsIn)
  const reasons = containers.flatMap(({ state }) => {
    const held = isJsonObject(state) && isJsonObject(state.waiting) ? word(state.waiting.reason) : ''
    return held === '' ? [] : [held]
  })
  if (reasons.includes('CrashLoopBackOff')) return failed('CrashLoopBackOff')
  const scheduled = conditionOf(object, 'PodScheduled')
  if (scheduled?.status === 'False') return waiting(`not scheduled${said(scheduled)}`)
  return waiting(
    `${word(phase) || 'Pending'}, not ready${reasons.length === 0 ? '' : ` (${[...new Set(reasons)].join(', ')})`}`,
  )
}

/** A Job that runs is well, as kstatus has it; one that failed is not. */
export const job: HealthRule = (object) => {
  const failure = conditionOf(object, 'Failed')
  if (failure?.status === 'True') return failed(`Failed${said(failure)}`)
  if (conditionOf(object, 'Complete')?.status === 'True' || conditionOf(object, 'Suspended')?.status === 'True')
    return HEALTHY
  return status(object).startTime === undefined ? waiting('not started') : HEALTHY
}

/** A Job that runs once for a release: only its end says something. */
export const runOnce: HealthRule = (object) => {
  const failure = conditionOf(object, 'Failed')
  if (failure?.status === 'True') return failed(`Failed${said(failure)}`)
  if (conditionOf(object, 'Complete')?.status === 'True') return HEALTHY
  if (conditionOf(object, 'Suspended')?.status === 'True') return waiting('suspended')
  return waiting(status(object).startTime === undefined ? 'not started' : 'not finished')
}

/** As kstatus: a claim is waited for until it is bound, also where binding waits for a first Pod. */
export const volumeClaim: HealthRule = (object) => {
  const { phase } = status(object)
  if (phase === 'Bound') return HEALTHY
  return phase === 'Lost' ? failed('its volume is lost') : waiting(`${word(phase) || 'Pending'}, not bound`)
}

export const service: HealthRule = (object) => {
  const { type, clusterIP } = spec(object)
  if (type !== 'LoadBalancer') return HEALTHY
  const { loadBalancer } = status(object)
  const ingress = isJsonObject(loadBalancer) && Array.isArray(loadBalancer.ingress) ? loadBalancer.ingress : []
  if (clusterIP === undefined || clusterIP === '') return waiting('no cluster IP yet')
  return ingress.length > 0 ? HEALTHY : waiting('no load balancer address yet')
}

export const namespace: HealthRule = (object) => {
  const { phase } = status(object)
  return phase === 'Active' ? HEALTHY : waiting(word(phase) || 'not active yet')
}

export const crd: HealthRule = (object) => {
  const names = conditionOf(object, 'NamesAccepted')
  if (names?.status === 'False') return failed(`names not accepted${said(names)}`)
  const established = conditionOf(object, 'Established')
  if (established?.status === 'False' && established.reason !== 'Installing')
    return failed(`not established${said(established)}`)
  return established?.status === 'True'
    ? HEALTHY
    : waiting(`not established${established === undefined ? '' : said(established)}`)
}

export const apiService: HealthRule = (object) => {
  const available = conditionOf(object, 'Available')
  return available?.status === 'True'
    ? HEALTHY
    : waiting(`not available${available === undefined ? '' : said(available)}`)
}

export const disruptionBudget: HealthRule = (object) =>
  status(object).observedGeneration === undefined || !isObserved(object) ? UNSEEN : HEALTHY
