import { isJsonObject, type Json, type JsonObject } from '../../contract/canonical-json.ts'
import { changesSaid } from '../events/say.ts'
import { recordSpecSchema } from '../kinds.ts'
import type { RecordKind } from '../record-kinds.ts'
import { sequenceOfName } from './chain.ts'
import type { NamedRecord } from './record.ts'

/** One line of `waybill history`. */
export type HistoryRow = {
  readonly sequence: number
  /** A RecordKind, or `Unreadable`. */
  readonly kind: string
  readonly digest?: string | undefined
  readonly version?: string | undefined
  readonly revision?: string | undefined
  readonly trigger: string
  readonly by?: string | undefined
  readonly reason?: string | undefined
  /** How many objects changed. */
  readonly changes?: number | undefined
  /** Of drift: the first objects, with fields and who took them. */
  readonly drift?: string | undefined
  readonly error?: string | undefined
  readonly startedAt: string
  readonly finishedAt?: string | undefined
  readonly name: string
}

/** Newest first. What cannot be read is listed as `Unreadable`: whether records are genuine is for `audit` to say. */
export function historyRows(records: readonly NamedRecord[]): HistoryRow[] {
  return records.map(historyRow).sort((a, b) => b.sequence - a.sequence)
}

const DRIFT: ReadonlySet<RecordKind> = new Set(['DriftCorrected', 'DriftDetected'])

function historyRow({ name, spec }: NamedRecord): HistoryRow {
  const parsed = recordSpecSchema.safeParse(spec)
  if (!parsed.success)
    return { sequence: sequenceOfName(name) ?? 0, kind: 'Unreadable', trigger: '', startedAt: '', name }
  const { kind, sequence, digest, version, revision, trigger, changes, error, startedAt, finishedAt } = parsed.data
  return {
    sequence,
    kind,
    digest,
    version,
    revision,
    trigger: trigger.type,
    by: trigger.by,
    reason: trigger.reason,
    changes: changes?.total,
    ...(DRIFT.has(kind) && changes !== undefined ? { drift: changesSaid(changes.listed, changes.total) } : {}),
    error: error === undefined ? undefined : `${error.code}: ${error.message}`,
    startedAt,
    finishedAt,
    name,
  }
}

/** One line of `waybill get`. */
export type DeliveryRow = {
  readonly namespace: string
  readonly name: string
  /** The channel, the range (`version >=1.4 <2`) or the digest that it follows. */
  readonly source: string
  /** The version that the range led to, refused or not. */
  readonly resolved?: string | undefined
  readonly applied?: string | undefined
  readonly version?: string | undefined
  readonly ready: string
  readonly reason?: string | undefined
  readonly message?: string | undefined
  /** The digest that it is held at. */
  readonly hold?: string | undefined
  /** `automatic`, `approve` or `observe`. */
  readonly sync: string
  /** What people or times keep back: `suspended`, `held`, `approval`, `window`, `observe`; nothing: it goes by itself. */
  readonly control: readonly string[]
  readonly appliedAt?: string | undefined
  /** How many objects differ and are left so; absent: none. */
  readonly drifted?: number | undefined
}

/** Rows from Delivery objects as the API server lists them, by namespace and name. */
export function deliveryRows(items: readonly Json[]): DeliveryRow[] {
  return items
    .filter(isJsonObject)
    .map((item) => {
      const at = (...path: readonly string[]) => textAt(item, path)
      const conditions = valueAt(item, ['status', 'conditions'])
      const range = at('spec', 'source', 'version')
      const said = (type: string) =>
        (Array.isArray(conditions) ? conditions : []).filter(isJsonObject).find((condition) => condition.type === type)
      const ready = said('Ready')
      const drifted = valueAt(item, ['status', 'drift', 'objects'])
      return {
        namespace: at('metadata', 'namespace') ?? '',
        name: at('metadata', 'name') ?? '',
        source:
          at('spec', 'source', 'channel') ??
          (range === undefined ? at('spec', 'source', 'digest') : `version ${range}`) ??
          '',
        resolved: range === undefined ? undefined : at('status', 'resolved', 'version'),
        ready: textAt(ready, ['status']) ?? 'Unknown',
        applied: at('status', 'applied', 'digest'),
        version: at('status', 'applied', 'version'),
        reason: textAt(ready, ['reason']),
        message: textAt(ready, ['message']),
        hold: at('spec', 'hold', 'digest'),
        sync: at('spec', 'sync') ?? 'automatic',
        control: controlled(item, textAt(ready, ['reason'])),
        appliedAt: at('status', 'applied', 'at'),
        ...(said('Drifted')?.status === 'True' && typeof drifted === 'number' ? { drifted } : {}),
      }
    })
    .sort((a, b) => (`${a.namespace}/${a.name}` < `${b.namespace}/${b.name}` ? -1 : 1))
}

function controlled(item: JsonObject, reason: string | undefined): readonly string[] {
  const spec = (field: string) => valueAt(item, ['spec', field])
  return [
    ...(spec('suspend') === undefined ? [] : ['suspended']),
    ...(spec('hold') === undefined ? [] : ['held']),
    ...(reason === 'AwaitingApproval' ? ['approval'] : []),
    ...(reason === 'OutsideWindow' ? ['window'] : []),
    ...(spec('sync') === 'observe' ? ['observe'] : []),
  ]
}

function valueAt(value: Json | undefined, path: readonly string[]): Json | undefined {
  return path.reduce<Json | undefined>((at, field) => (isJsonObject(at) ? at[field] : undefined), value)
}

function textAt(value: Json | undefined, path: readonly string[]): string | undefined {
  const found = valueAt(value, path)
  return typeof found === 'string' ? found : undefined
}
