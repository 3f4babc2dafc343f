import { z } from 'zod'
import { digestSchema } from '../contract/artifact.ts'
import { type RecordSpec, recordSpecSchema } from './kinds.ts'

const checkpointSchema = z.strictObject({
  /** The sequence and the hash of the newest record that may be dropped. */
  through: z.int().min(1),
  hash: digestSchema,
  ran: z.array(digestSchema),
  promotions: z.array(z.strictObject({ channel: z.string(), sequence: z.int(), digest: digestSchema })),
  versions: z.array(z.strictObject({ version: z.string(), digest: digestSchema })),
  /** Without its changes. */
  applied: recordSpecSchema.optional(),
  current: digestSchema.optional(),
})
/** What readers of the dropped records still need to know. */
export type Checkpoint = z.infer<typeof checkpointSchema>

/** What a Checkpoint record holds, or undefined where it is none or cannot be read. */
export function readCheckpoint(record: RecordSpec): Checkpoint | undefined {
  if (record.kind !== 'Checkpoint') return undefined
  const parsed = checkpointSchema.safeParse(record.checkpoint)
  return parsed.success ? parsed.data : undefined
}
