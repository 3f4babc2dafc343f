import { z } from 'zod'
import { digestSchema } from '../../contract/artifact/artifact.ts'
import { type RecordFacts, type RecordSpec, recordSpecSchema } from '../kinds.ts'

const checkpointSchema = z.strictObject({
  /** The sequence and the hash of the newest record that may be dropped. */
  through: z.int().min(1),
  hash: digestSchema,
  ran: z.array(digestSchema),
  promotions: z.array(z.strictObject({ channel: z.string(), sequence: z.int(), digest: digestSchema })),
  versions: z.array(z.strictObject({ version: z.string(), digest: digestSchema })),
  release: z
    .strictObject({ version: z.string(), range: z.string(), digest: digestSchema, canonical: z.string() })
    .optional(),
  /** Without its changes. */
  applied: recordSpecSchema.optional(),
  current: digestSchema.optional(),
})
/** What readers of the dropped records still need to know. */
export type Checkpoint = z.infer<typeof checkpointSchema>

const acceptanceSchema = z.strictObject({
  accepted: z.strictObject({ through: z.int().min(1), faults: z.array(z.string()).max(50) }),
})

/** What a Checkpoint record holds, or undefined where it is none or cannot be read. */
export function readCheckpoint(record: RecordSpec): Checkpoint | undefined {
  if (record.kind !== 'Checkpoint') return undefined
  const parsed = checkpointSchema.safeParse(record.checkpoint)
  return parsed.success ? parsed.data : undefined
}

/**
 * Up to which sequence a person accepted the faults of the chain (annotation `waybill.dev/confirm` with the newest record’s
 * hash), or undefined where the record says nothing of the kind. The audit goes on showing them.
 */
export function acceptedThrough(record: RecordSpec): number | undefined {
  if (record.kind !== 'Checkpoint') return undefined
  const parsed = acceptanceSchema.safeParse(record.checkpoint)
  return parsed.success ? parsed.data.accepted.through : undefined
}

/** The facts of that acceptance. */
export function acceptance(through: number, faults: readonly string[], generation: number, at: string): RecordFacts {
  return {
    kind: 'Checkpoint',
    trigger: { type: 'retention', generation, reason: `accepted, with its faults, through record ${through}` },
    checkpoint: { accepted: { through, faults: faults.slice(0, 50).map((fault) => fault.slice(0, 300)) } },
    startedAt: at,
    finishedAt: at,
  }
}
