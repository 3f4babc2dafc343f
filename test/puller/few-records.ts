import { RETENTION } from '../../puller/records/retention.ts'

/** Lets records go after a few, however young, in this process, so that what comes of it is within a test's reach. Returns how to undo it. */
export function keepFewRecords(): () => void {
  const before = { ...RETENTION }
  Object.assign(RETENTION, { newestKept: 3, youngerThanMs: -86_400_000, dropAtLeast: 2 })
  return () => void Object.assign(RETENTION, before)
}
