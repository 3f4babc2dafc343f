/** What a record can be of. */
export const RECORD_KINDS = [
  'Intent',
  'Applied',
  'Unchanged',
  'RolledBack',
  'Refused',
  'Failed',
  'DriftCorrected',
  'DriftDetected',
  'DriftResolved',
  'Suspended',
  'Resumed',
  'AwaitingApproval',
  'Approved',
  'Removed',
  'TrustChanged',
  'Checkpoint',
] as const
export type RecordKind = (typeof RECORD_KINDS)[number]
