import { z } from 'zod'
import { digestSchema, environmentNameSchema, revisionSchema } from '../contract/artifact/artifact.ts'
import { isErrorCode, WaybillError } from '../contract/errors.ts'
import { LIMITS } from '../contract/limits.ts'
import { isChannel, parseRepository } from '../contract/reference.ts'
import {
  dependencySchema,
  durationSchema,
  forceSchema,
  healthSchema,
  holdFields,
  ignoreSchema,
  k8sNameSchema,
  notificationsSchema,
  pruneSchema,
  rangeSchema,
  scheduleSchema,
  suspendSchema,
  timeZoneSchema,
  unmanagedSchema,
  windowSchema,
} from './delivery-fields.ts'
import { RECORD_KINDS, type RecordKind } from './record-kinds.ts'
import { RANGE_CHARS_MAX } from './source/version-range.ts'

/**
 * Waybill's Kubernetes kinds. The code parses with these definitions, and the CRDs' schemas are generated from them
 * (puller/install/crds.ts), so that what the API server accepts and what the puller reads cannot part.
 */
export const GROUP = 'waybill.dev'
export const API_VERSION = 'waybill.dev/v1alpha1'

export const LABELS = {
  /** On records and inventories: the uid of their Delivery. */
  deliveryUid: 'waybill.dev/delivery-uid',
  delivery: 'waybill.dev/delivery',
  /** KEP-3659. Selects members; proves nothing. */
  partOf: 'applyset.kubernetes.io/part-of',
  /** On inventories: what `partOf` says on the Delivery's members. */
  applySet: 'waybill.dev/applyset',
} as const

export const ANNOTATION = {
  /** On a Delivery: a person confirms exactly what the digest covers that he was told, or `delete <uid> <digest>` (puller/plan/confirmation.ts). */
  confirm: 'waybill.dev/confirm',
  /** On a Delivery: a person approves a plan: `<digest> <digest of the plan>`. */
  approve: 'waybill.dev/approve',
  /** On a Delivery: `<time> <why>` of who lifted a hold or a suspension: a field that is gone leaves no trace of who took it out. */
  lifted: 'waybill.dev/lifted',
  /** On a Delivery: any new value makes the puller look sooner. Carries no facts. */
  reconcile: 'waybill.dev/reconcile',
  /** On delivered objects: proves, to who holds the puller's claim key, that our create made them (puller/plan/claim.ts). */
  claim: 'waybill.dev/claim',
  /** On delivered Jobs that run once for each release: the digest of the artifact that they run for. */
  release: 'waybill.dev/release',
} as const

/** On delivered objects, where the guard is installed: why somebody other than a Delivery changes this one by hand. */
export const BREAK_GLASS = 'waybill.dev/break-glass'

/** On Deliveries that are to be deleted with what they delivered. */
export const FINALIZER = 'waybill.dev/removal'

/** Field manager of every write to a delivered object. */
export const FIELD_MANAGER = 'waybill'
/** Field manager of the hold that `onFailure: rollback` sets; what is done for it is recorded as that of a failure. */
export const FAILURE_MANAGER = 'waybill-failure'

const repositorySchema = z
  .string()
  .max(512)
  .refine((text) => {
    try {
      parseRepository(text)
      return true
    } catch {
      return false
    }
  }, 'host[:port]/path, without a tag or digest')
const channelSchema = z.string().max(63).refine(isChannel, 'a channel name such as production')

export const deliverySpecSchema = z.strictObject({
  source: z.strictObject({
    repository: repositorySchema,
    channel: channelSchema.optional(),
    /** The highest released version that satisfies it. */
    version: rangeSchema.optional(),
    digest: digestSchema.optional(),
    /** The canonical repository, where this one is a mirror of it. */
    mirrorOf: repositorySchema.optional(),
    /** kubernetes.io/dockerconfigjson in the Delivery's namespace, read as the service account. */
    pullSecret: z.strictObject({ name: k8sNameSchema }).optional(),
    /** Key `ca.crt`, PEM; read as the service account. */
    caSecret: z.strictObject({ name: k8sNameSchema }).optional(),
  }),
  /** Default: the channel's name; required with a version or a digest. */
  environment: environmentNameSchema.optional(),
  serviceAccountName: k8sNameSchema.default('waybill'),
  interval: durationSchema.default('1m'),
  /** With one, the source is asked at these times, and at once when the Delivery changes. */
  schedule: scheduleSchema.optional(),
  /** Of the schedule; default UTC. */
  timeZone: timeZoneSchema.optional(),
  /** `approve`: a new digest waits for a person; `observe`: nothing is ever written. */
  sync: z.enum(['automatic', 'approve', 'observe']).default('automatic'),
  windows: z.array(windowSchema).max(32).optional(),
  /** Other Deliveries that have to be healthy first. */
  dependsOn: z.array(dependencySchema).max(32).optional(),
  /** How long a release may take to become healthy. Default: the puller's own. */
  timeout: durationSchema.optional(),
  onFailure: z.enum(['hold', 'rollback', 'continue']).default('hold'),
  health: z.array(healthSchema).max(32).optional(),
  /** Kinds that may be deleted and made anew where a field that cannot change has changed. */
  force: forceSchema.optional(),
  /** What to do where the cluster differs from what was applied. */
  drift: z.enum(['correct', 'report']).default('correct'),
  /** Fields that are left to others, in plan, drift and apply alike. */
  ignore: z.array(ignoreSchema).max(64).optional(),
  /** How often everything is compared anew, whatever the watches said. */
  compareInterval: durationSchema.default('1h'),
  prune: pruneSchema.default({ enabled: true, maxPercent: 30 }),
  adopt: z.enum(['never', 'if-unowned', 'always']).default('never'),
  unmanaged: unmanagedSchema.optional(),
  /** What becomes of what was delivered when the Delivery is deleted. */
  deletion: z.enum(['orphan', 'delete']).default('orphan'),
  hold: z.strictObject({ digest: digestSchema, ...holdFields }).optional(),
  /** Hands off, drift included. */
  suspend: suspendSchema.optional(),
  notifications: notificationsSchema.optional(),
})
export type DeliverySpec = z.infer<typeof deliverySpecSchema>

export const conditionSchema = z.strictObject({
  type: z.string().max(316),
  status: z.enum(['True', 'False', 'Unknown']),
  reason: z.string().max(1024),
  message: z.string().max(32768),
  lastTransitionTime: z.string(),
  observedGeneration: z.int().optional(),
})
export type Condition = z.infer<typeof conditionSchema>

const actionSchema = z.enum(['create', 'configure', 'adopt', 'replace', 'delete', 'forget'])
/** What was declared and what was found, as JSON. */
const valuesSchema = z
  .array(
    z.strictObject({
      field: z.string().max(512),
      declared: z.string().max(256).optional(),
      found: z.string().max(256).optional(),
    }),
  )
  .max(20)

/** One change to one object, as plans, records and people read it. */
export const changeSchema = z.strictObject({
  action: actionSchema,
  object: z.string().max(700),
  /** Field paths that differ; a bounded list. */
  fields: z.array(z.string().max(512)).max(50).optional(),
  /** Who holds the drifted fields, and since when, as managedFields say. */
  manager: z.string().max(256).optional(),
  since: z.string().max(64).optional(),
  /** How they took it, as managedFields say: Apply or Update. */
  operation: z.string().max(16).optional(),
  /** Whom the API server had before it, where the attribution policy is installed. */
  user: z.string().max(256).optional(),
  /** Why somebody broke the object's glass, where the guard is installed: it is left as it is. */
  breakGlass: z.string().max(256).optional(),
  /** Of drift, bounded; never of a Secret. */
  values: valuesSchema.optional(),
})
export type Change = z.infer<typeof changeSchema>

export const changeListSchema = z.strictObject({
  total: z.int().min(0),
  /** Digest of the canonical JSON of the whole list, listed or not. */
  digest: digestSchema,
  listed: z.array(changeSchema).max(LIMITS.recordChangesMax),
})
export type ChangeList = z.infer<typeof changeListSchema>

export const deliveryStatusSchema = z.object({
  observedGeneration: z.int().optional(),
  conditions: z.array(conditionSchema).max(16).optional(),
  /** What the source names now, verified or not. */
  resolved: z
    .object({
      digest: digestSchema,
      channel: z.string().optional(),
      sequence: z.int().optional(),
      version: z.string().optional(),
      at: z.string(),
    })
    .optional(),
  /** With a schedule: when the source was last asked, for which generation and which request of a person, and when it is asked again. */
  schedule: z
    .object({ askedAt: z.string(), nextAt: z.string(), generation: z.int(), request: digestSchema.optional() })
    .optional(),
  /** What runs, in a few words: the version, or the digest, of `applied`. */
  runs: z.string().max(256).optional(),
  /** What the newest healthy outcome applied. */
  applied: z
    .object({
      digest: digestSchema,
      version: z.string().optional(),
      revision: revisionSchema.optional(),
      treeDigest: digestSchema.optional(),
      at: z.string(),
    })
    .optional(),
  lastRecord: z.object({ name: z.string(), sequence: z.int(), hash: digestSchema }).optional(),
  /** While a release goes out: how many of its objects are healthy, and what is waited for, bounded. */
  progress: z.object({ ready: z.int(), total: z.int(), waiting: z.array(z.string().max(512)).max(10) }).optional(),
  /** With `sync: approve` or `observe`: what the digest that is asked for would change. */
  plan: z.object({ digest: digestSchema, plan: digestSchema, at: z.string(), changes: changeListSchema }).optional(),
  /** What runs in the namespaces of `spec.unmanaged` that no Delivery owns, bounded. */
  unmanaged: z
    .object({
      at: z.string(),
      objects: z.int(),
      listed: z.array(z.string().max(700)).max(50),
      /** What a person confirms, to have exactly these deleted. */
      digest: digestSchema.optional(),
      /** Kinds that the account may not list there, or that do not answer. */
      unseen: z.array(z.string().max(700)).max(20).optional(),
    })
    .optional(),
  /** Up to which record each notification was delivered, by its name, and why it is not delivered just now. */
  notified: z
    .array(z.object({ name: z.string().max(63), sequence: z.int(), error: z.string().max(2048).optional() }))
    .max(16)
    .optional(),
  /** What the newest comparison with the cluster found, bounded. */
  drift: z
    .object({
      at: z.string(),
      objects: z.int(),
      listed: z
        .array(
          z.object({
            object: z.string(),
            action: actionSchema.optional(),
            fields: z.array(z.string()).max(50),
            manager: z.string().optional(),
            operation: z.string().optional(),
            since: z.string().optional(),
            user: z.string().optional(),
            breakGlass: z.string().optional(),
            values: valuesSchema.optional(),
          }),
        )
        .max(20),
    })
    .optional(),
})
export type DeliveryStatus = z.infer<typeof deliveryStatusSchema>

/** A Delivery as the stages take it: parsed, defaults filled in. */
export type Delivery = {
  readonly name: string
  readonly namespace: string
  readonly uid: string
  readonly generation: number
  readonly resourceVersion: string
  readonly annotations: Readonly<Record<string, string>>
  readonly finalizers?: readonly string[]
  /** RFC 3339: since when it is being deleted. */
  readonly deletedAt?: string
  readonly spec: DeliverySpec
  readonly status: DeliveryStatus
  /** The manager whose entry last changed the spec, as the API server's managedFields say, and when. */
  readonly specEditedBy?: { readonly manager: string; readonly at?: string }
  /** Likewise of the annotation that approves a plan. */
  readonly approvedBy?: { readonly manager: string; readonly at?: string }
  /** Likewise of the annotation that confirms what would be deleted. */
  readonly confirmedBy?: { readonly manager: string; readonly at?: string }
  /** Likewise of the annotation that says why a hold or a suspension was lifted. */
  readonly liftedBy?: { readonly manager: string; readonly at?: string }
}

/**
 * Parses a Delivery's spec.
 * @throws WaybillError DELIVERY_INVALID with every fault
 */
export function parseDeliverySpec(name: string, spec: unknown): DeliverySpec {
  const parsed = deliverySpecSchema.safeParse(spec)
  if (!parsed.success)
    throw new WaybillError(
      'DELIVERY_INVALID',
      `Delivery ${name}: ${parsed.error.issues.map((issue) => `${['spec', ...issue.path].join('.')}: ${issue.message}`).join('; ')}`,
    )
  const { data } = parsed
  const { channel, version, digest } = data.source
  if ([channel, version, digest].filter((one) => one !== undefined).length !== 1)
    throw new WaybillError(
      'DELIVERY_INVALID',
      `Delivery ${name}: spec.source: exactly one of channel, version and digest is needed`,
    )
  if (data.environment === undefined && channel === undefined)
    throw new WaybillError(
      'DELIVERY_INVALID',
      `Delivery ${name}: spec.environment is required with a version or a digest`,
    )
  if (data.schedule !== undefined && digest !== undefined)
    throw new WaybillError('DELIVERY_INVALID', `Delivery ${name}: spec.schedule goes with a channel or a version`)
  if (data.timeZone !== undefined && data.schedule === undefined)
    throw new WaybillError('DELIVERY_INVALID', `Delivery ${name}: spec.timeZone goes with a schedule`)
  return data
}

export const inventoryEntrySchema = z.strictObject({
  group: z.string().max(253),
  kind: z.string().min(1).max(63),
  namespace: z.string().max(63),
  name: z.string().min(1).max(253),
  /** Absent while `pending`: written ahead of the create. */
  uid: z.string().max(64).optional(),
  state: z.enum(['pending', 'created', 'adopted']),
  /** Of a Job that runs once: for which artifact and which generation of the Delivery it was made, and how it ended. */
  run: z
    .strictObject({ digest: digestSchema, generation: z.int(), ended: z.enum(['succeeded', 'failed']).optional() })
    .optional(),
})
export type InventoryEntry = z.infer<typeof inventoryEntrySchema>

export const inventorySpecSchema = z.strictObject({
  delivery: z.strictObject({ name: k8sNameSchema, uid: z.string().max(64) }),
  shard: z.int().min(0),
  entries: z.array(inventoryEntrySchema).max(LIMITS.inventoryShardEntriesMax),
})
export type InventorySpec = z.infer<typeof inventorySpecSchema>

export { RECORD_KINDS, type RecordKind }

const errorCodeSchema = z.string().refine(isErrorCode, 'a Waybill error code')

/** What happened, before it is chained and signed. */
export const recordFactsSchema = z.strictObject({
  kind: z.enum(RECORD_KINDS),
  /** The digest that this is about. */
  digest: digestSchema.optional(),
  version: z.string().max(128).optional(),
  revision: revisionSchema.optional(),
  environment: z.string().max(63).optional(),
  treeDigest: digestSchema.optional(),
  source: z
    .strictObject({
      repository: z.string().max(512),
      channel: z.string().max(63).optional(),
      /** The range. */
      version: z.string().max(RANGE_CHARS_MAX).optional(),
      mirrorOf: z.string().max(512).optional(),
    })
    .optional(),
  /** The verified promotion that this rests on. What was seen before comes from here. */
  promotion: z.strictObject({ channel: z.string().max(63), sequence: z.int().min(1) }).optional(),
  /** The verified release that this rests on, where a range chose it. What was seen before comes from here. */
  release: z.strictObject({ version: z.string().max(128), range: z.string().max(RANGE_CHARS_MAX) }).optional(),
  signers: z
    .array(
      z.strictObject({
        role: z.string().max(32),
        authority: z.string().max(63),
        policy: z.string().max(253),
        key: z.string().max(80),
      }),
    )
    .max(64)
    .optional(),
  provenance: z
    .strictObject({
      builderId: z.string().max(512),
      sourceRepository: z.string().max(2048),
      ref: z.string().max(255).optional(),
      revision: z.string().max(80).optional(),
    })
    .optional(),
  policies: z
    .array(z.strictObject({ name: z.string().max(253), generation: z.int().optional() }))
    .max(64)
    .optional(),
  /** Why it happened: the source moved, the spec was edited, a hold was set or lifted, drift was found, trust changed, a retry, old records are dropped,
   * a person approved, a release failed, an end time came, the Delivery was deleted. */
  trigger: z.strictObject({
    type: z.enum([
      'source',
      'spec',
      'hold',
      'unhold',
      'drift',
      'trust',
      'retry',
      'retention',
      'approval',
      'failure',
      'expiry',
      'deletion',
    ]),
    generation: z.int(),
    by: z.string().max(256).optional(),
    reason: z.string().max(1024).optional(),
  }),
  /** On an outcome: the sequence of its Intent. */
  intent: z.int().min(1).optional(),
  changes: changeListSchema.optional(),
  /** On an Intent and its outcome: what a person confirmed before it was deleted or replaced. `guarded`: uids of what asks for it by itself. */
  confirmed: z
    .strictObject({
      what: digestSchema,
      by: z.string().max(256).optional(),
      guarded: z.array(z.string().max(64)).max(1000),
      others: z.array(z.string().max(64)).max(1000),
    })
    .optional(),
  error: z
    .strictObject({
      code: errorCodeSchema,
      message: z.string().max(LIMITS.messageCharsMax),
      objects: z
        .array(z.strictObject({ object: z.string().max(700), code: errorCodeSchema, message: z.string().max(512) }))
        .max(50)
        .optional(),
    })
    .optional(),
  /** On a Checkpoint: what readers of the dropped records still need to know. */
  checkpoint: z.record(z.string(), z.unknown()).optional(),
  startedAt: z.string(),
  finishedAt: z.string().optional(),
})
export type RecordFacts = z.infer<typeof recordFactsSchema>

/** spec of a DeliveryRecord: the facts, chained and signed. Immutable. */
export const recordSpecSchema = recordFactsSchema.extend({
  delivery: z.strictObject({ namespace: k8sNameSchema, name: k8sNameSchema, uid: z.string().max(64) }),
  /** From 1, without gaps. */
  sequence: z.int().min(1),
  /** sha256 of the canonical JSON of the spec before this one, its signature included; absent for the first. */
  previous: digestSchema.optional(),
  /** sha256:<hex> of the SPKI DER of the key that signed. */
  key: digestSchema,
  /** Base64 ECDSA P-256 (DER) over the canonical JSON of this spec without `signature`. */
  signature: z.string().max(256),
})
export type RecordSpec = z.infer<typeof recordSpecSchema>
