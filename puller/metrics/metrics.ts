import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { DeliveryStatus, RecordSpec } from '../kinds.ts'
import { apiCall, boundedWords } from './api-path.ts'
import type { Observation, Observer } from './observation.ts'

export type QueueCounts = { readonly waiting: number; readonly running: number }

/** What of the process is told; read when somebody asks. */
export type ProcessFigures = { readonly cpuSeconds: number; readonly residentBytes: number }

export type Metrics = {
  readonly observe: Observer
  /** The text format of Prometheus. */
  render(): Promise<string>
  readonly contentType: string
  /** How long the queue is, asked when somebody reads. */
  watchQueue(counts: () => QueueCounts): void
}

/** Kinds of objects that get a series of their own; more are counted as `other`. */
const KINDS_MAX = 100
const SECONDS = [0.005, 0.02, 0.1, 0.5, 1, 2, 5, 15, 60, 300]
const OF_DELIVERY = ['namespace', 'name'] as const

/** Every series of the puller, in a registry of its own. Labels are bounded: by our own words, by KINDS_MAX, or by the Deliveries that there are. */
export function createMetrics(figures: () => ProcessFigures): Metrics {
  const registers = [new Registry()]
  const [registry = new Registry()] = registers
  const counter = <L extends string>(name: string, help: string, labelNames: readonly L[] = []) =>
    new Counter({ name: `waybill_${name}`, help, labelNames, registers })
  const gauge = <L extends string>(name: string, help: string, labelNames: readonly L[] = []) =>
    new Gauge({ name: `waybill_${name}`, help, labelNames, registers })
  const histogram = <L extends string>(name: string, help: string, labelNames: readonly L[]) =>
    new Histogram({ name: `waybill_${name}`, help, labelNames, buckets: SECONDS, registers })

  const stages = histogram('reconcile_stage_duration_seconds', 'How long the stages of reconciles took.', ['stage'])
  const looks = histogram(
    'reconcile_duration_seconds',
    'How long looks at a Delivery took, by what Ready said after.',
    ['ready'],
  )
  const verifications = counter('verifications_total', 'Verifications, by OK or the code of the refusal.', ['code'])
  const api = counter('api_requests_total', 'Requests to the API server; status 0 is no answer.', [
    'verb',
    'resource',
    'status',
    'dry_run',
  ])
  const apiSeconds = histogram('api_request_duration_seconds', 'Time until the API server answered.', ['verb'])
  const registryRequests = counter('registry_requests_total', 'Questions to registries, by OK or the error’s code.', [
    'operation',
    'code',
  ])
  const registrySeconds = histogram('registry_request_duration_seconds', 'Time until a registry had answered.', [
    'operation',
  ])
  const records = counter('records_total', 'Records written, by kind.', ['kind'])
  const drift = counter('drift_total', 'Objects found drifted, by kind of object and what was done.', [
    'object_kind',
    'outcome',
  ])
  const events = counter('events_total', 'Kubernetes Events, by what became of them.', ['result'])
  const notifications = counter('notifications_total', 'Attempts to notify, by type and result.', ['type', 'result'])
  const hooks = counter('hooks_total', 'Webhooks received from registries, by form and answer.', ['form', 'status'])
  const leader = gauge('leader', '1 while this replica works, 0 while it stands by.')
  const deliveries = new DeliveryGauges(
    gauge('delivery_info', 'What runs: the version and digest last applied and healthy.', [
      ...OF_DELIVERY,
      'version',
      'digest',
    ]),
    gauge('delivery_applied_timestamp_seconds', 'When that was applied.', OF_DELIVERY),
    gauge('delivery_condition', 'Conditions: 1 True, 0 False, -1 Unknown.', [...OF_DELIVERY, 'type']),
    gauge('delivery_drifted_objects', 'Objects that differ now.', OF_DELIVERY),
  )
  let queue = (): QueueCounts => ({ waiting: 0, running: 0 })
  collected(registers, 'waybill_queue_waiting', 'Looks that wait for a place.', () => queue().waiting)
  collected(registers, 'waybill_queue_running', 'Looks that are under way.', () => queue().running)
  collected(registers, 'process_resident_memory_bytes', 'Memory in use.', () => figures().residentBytes)
  new Counter({
    name: 'process_cpu_seconds_total',
    help: 'Processor time used.',
    registers,
    collect() {
      this.reset()
      this.inc(figures().cpuSeconds)
    },
  })

  const resources = boundedWords(KINDS_MAX)
  const kinds = boundedWords(KINDS_MAX)
  const recorded = (record: RecordSpec): void => {
    records.inc({ kind: record.kind })
    const outcome = DRIFT_OUTCOMES[record.kind]
    if (outcome === undefined) return
    for (const { object } of record.changes?.listed ?? [])
      drift.inc({ object_kind: kinds(object.split(' ')[0] ?? ''), outcome })
  }
  const observe = (seen: Observation): void => {
    switch (seen.kind) {
      case 'stage':
        stages.observe({ stage: seen.stage }, seen.seconds)
        break
      case 'look':
        looks.observe({ ready: seen.ready }, seen.seconds)
        break
      case 'verification':
        verifications.inc({ code: seen.code })
        break
      case 'api-request': {
        const { verb, resource, dryRun } = apiCall(seen.method, seen.path)
        api.inc({ verb, resource: resources(resource), status: String(seen.status), dry_run: dryRun })
        apiSeconds.observe({ verb }, seen.seconds)
        break
      }
      case 'registry-request':
        registryRequests.inc({ operation: seen.operation, code: seen.code })
        registrySeconds.observe({ operation: seen.operation }, seen.seconds)
        break
      case 'record':
        recorded(seen.record)
        break
      case 'delivery':
        deliveries.say(seen.id, seen.status)
        break
      case 'delivery-gone':
        deliveries.forget(seen.id)
        break
      case 'event':
        events.inc({ result: seen.result })
        break
      case 'notification':
        notifications.inc({ type: seen.type, result: seen.result })
        break
      case 'hook':
        hooks.inc({ form: seen.form, status: String(seen.status) })
        break
      case 'leadership':
        leader.set(seen.leads ? 1 : 0)
        break
      case 'keys-loaded':
      case 'watches-listed':
        break
    }
  }
  return {
    observe,
    render: () => registry.metrics(),
    contentType: registry.contentType,
    watchQueue: (counts) => {
      queue = counts
    },
  }
}

const DRIFT_OUTCOMES: Readonly<Partial<Record<RecordSpec['kind'], string>>> = {
  DriftCorrected: 'corrected',
  DriftDetected: 'reported',
}

function collected(registers: Registry[], name: string, help: string, value: () => number): void {
  new Gauge({
    name,
    help,
    registers,
    collect() {
      this.set(value())
    },
  })
}

/** The series of each Delivery; a Delivery that is gone leaves none behind. */
class DeliveryGauges {
  readonly #info: Gauge<'namespace' | 'name' | 'version' | 'digest'>
  readonly #appliedAt: Gauge<'namespace' | 'name'>
  readonly #conditions: Gauge<'namespace' | 'name' | 'type'>
  readonly #drifted: Gauge<'namespace' | 'name'>
  readonly #clear = new Map<string, () => void>()

  constructor(
    info: Gauge<'namespace' | 'name' | 'version' | 'digest'>,
    appliedAt: Gauge<'namespace' | 'name'>,
    conditions: Gauge<'namespace' | 'name' | 'type'>,
    drifted: Gauge<'namespace' | 'name'>,
  ) {
    this.#info = info
    this.#appliedAt = appliedAt
    this.#conditions = conditions
    this.#drifted = drifted
  }

  say(id: string, { applied, conditions = [], drift }: DeliveryStatus): void {
    this.forget(id)
    const [namespace = '', name = ''] = id.split('/')
    const of = { namespace, name }
    const info = applied && { ...of, version: applied.version ?? '', digest: applied.digest }
    if (applied !== undefined && info !== undefined) {
      this.#info.set(info, 1)
      this.#appliedAt.set(of, Date.parse(applied.at) / 1000)
    }
    for (const { type, status } of conditions)
      this.#conditions.set({ ...of, type }, { True: 1, False: 0, Unknown: -1 }[status])
    this.#drifted.set(of, drift?.objects ?? 0)
    this.#clear.set(id, () => {
      if (info !== undefined) this.#info.remove(info)
      this.#appliedAt.remove(of)
      for (const { type } of conditions) this.#conditions.remove({ ...of, type })
      this.#drifted.remove(of)
    })
  }

  forget(id: string): void {
    this.#clear.get(id)?.()
    this.#clear.delete(id)
  }
}
