import { z } from 'zod'
import { compileObjectExpression } from '../contract/cel/object-expression.ts'
import { RECORD_KINDS } from './record-kinds.ts'
import { isSchedule, isTimeZone } from './schedule.ts'
import { isVersionRange, RANGE_CHARS_MAX } from './source/version-range.ts'

/** The parts of a Delivery's spec that say how it is run from day to day. Assembled in puller/kinds.ts. */

export const k8sNameSchema = z.string().min(1).max(253)
/** `30s`, `5m`, `1h`; at least one second. */
export const durationSchema = z.string().regex(/^[1-9][0-9]{0,5}(?:s|m|h)$/, 'a duration such as 30s, 5m or 1h')
export const rangeSchema = z.string().max(RANGE_CHARS_MAX).refine(isVersionRange, 'a version range such as >=1.4 <2')
export const scheduleSchema = z
  .string()
  .max(128)
  .refine(isSchedule, 'a cron expression of five fields that has a next time, such as 0 6 * * 1-5')
export const timeZoneSchema = z
  .string()
  .max(64)
  .refine(isTimeZone, 'the IANA name of a time zone, such as Europe/Berlin')
const reasonSchema = z.string().max(1024)
/** RFC 3339, such as 2026-11-21T18:00:00Z: until when something stands; it ends by itself. */
const untilSchema = z.iso.datetime({ offset: true, error: 'a time such as 2026-11-21T18:00:00Z' })
/** A kind as people name it: `Job.batch`, `Deployment.apps`, `Secret`; what stands after the first dot is the group. */
const groupKindSchema = z
  .string()
  .max(317)
  .regex(/^[A-Z][A-Za-z0-9]*(?:\.[a-z0-9]([a-z0-9.-]*[a-z0-9])?)?$/, 'a kind and its group, such as Deployment.apps')
/** A JSON pointer (RFC 6901) into an object. */
const pointerSchema = z
  .string()
  .max(512)
  .regex(/^(?:\/(?:[^~/]|~0|~1)+)+$/, 'a JSON pointer such as /spec/replicas')
const expressionSchema = z
  .string()
  .min(1)
  .max(2048)
  .superRefine((source, context) => {
    const compiled = compileObjectExpression(source)
    if (compiled.kind === 'invalid') context.addIssue({ code: 'custom', message: compiled.message })
  })

/** Objects by what they are; `*` stands for any number of characters in namespace and name; what is left out matches all. */
const objectPatternShape = {
  kind: groupKindSchema.optional(),
  namespace: z.string().max(253).optional(),
  name: z.string().max(253).optional(),
}

export const suspendSchema = z.strictObject({ reason: reasonSchema.optional(), until: untilSchema.optional() })
export const holdFields = { reason: reasonSchema.optional(), until: untilSchema.optional() }

/** Inside an `allow` window, and outside every `deny` window, new releases may go out. */
export const windowSchema = z.strictObject({
  kind: z.enum(['allow', 'deny']),
  /** When it opens. */
  start: scheduleSchema,
  duration: durationSchema,
  timeZone: timeZoneSchema.default('UTC'),
})

export const dependencySchema = z.strictObject({
  name: k8sNameSchema,
  /** Default: the Delivery's own. */
  namespace: z.string().max(63).optional(),
  version: rangeSchema.optional(),
})

/** CEL over an object of the kind, for what has rules of its own. */
export const healthSchema = z.strictObject({
  kind: groupKindSchema,
  current: expressionSchema,
  inProgress: expressionSchema.optional(),
  failed: expressionSchema.optional(),
})

/** Pointers to what an object is known by, to our own label, claim and release (puller/kinds.ts), and to what these are in; the CRD refuses them as well. */
export const NEVER_IGNORED: readonly string[] = [
  '/apiVersion',
  '/kind',
  '/metadata',
  '/metadata/name',
  '/metadata/namespace',
  '/metadata/labels',
  '/metadata/labels/applyset.kubernetes.io~1part-of',
  '/metadata/annotations',
  '/metadata/annotations/waybill.dev~1claim',
  '/metadata/annotations/waybill.dev~1release',
]
export const NEVER_IGNORED_SAYS =
  'Waybill knows its objects by this, which cannot be left to others; name a field beside or inside it'

export const ignoreSchema = z.strictObject({
  ...objectPatternShape,
  fields: z
    .array(pointerSchema.refine((pointer) => !NEVER_IGNORED.includes(pointer), NEVER_IGNORED_SAYS))
    .min(1)
    .max(32),
})

export const forceSchema = z.strictObject({ kinds: z.array(groupKindSchema).min(1).max(32) })

export const pruneSchema = z.strictObject({
  enabled: z.boolean().default(true),
  maxPercent: z.int().min(0).max(100).default(30),
  /** How many objects at most without a confirmation. */
  max: z.int().min(0).optional(),
})

export const unmanagedSchema = z.strictObject({
  namespaces: z.array(z.string().min(1).max(63)).min(1).max(64),
  policy: z.enum(['report', 'delete']).default('report'),
  /** Left out of it. */
  ignore: z.array(z.strictObject(objectPatternShape)).max(64).optional(),
})

const notificationSchema = z.strictObject({
  /** Stays the same while it is edited: what was delivered is remembered by it. */
  name: z.string().min(1).max(63),
  type: z.enum(['slack', 'cloudevents']),
  /** Keys `url` and, to sign with, `key`; in the Delivery's namespace, read as the service account. */
  secret: z.strictObject({ name: k8sNameSchema }),
  /** Kinds of records; default: all but Intent, Unchanged and Checkpoint. */
  kinds: z.array(z.enum(RECORD_KINDS)).min(1).max(32).optional(),
})

export const notificationsSchema = z
  .array(notificationSchema)
  .max(16)
  .refine((all) => new Set(all.map(({ name }) => name)).size === all.length, 'names that are not given twice')
