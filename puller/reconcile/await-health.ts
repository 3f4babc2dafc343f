import type { ErrorCode } from '../../contract/errors.ts'
import type { Health } from '../health/wait.ts'
import { boundedMessage } from '../message.ts'
import type { Plan } from '../plan/plan.ts'
import type { Refusal } from '../plan/refusal.ts'
import type { Result } from './job.ts'

/** What health makes of a Job; `corrected` is the plan that put drift back, where one did. */
export function ofHealth(health: Health, corrected: Plan | undefined): Result {
  if (health.healthy) return { kind: 'healthy', corrected }
  const broken = health.failed.length > 0
  const notes = broken ? health.failed : health.waiting
  const listed = notes.slice(0, 5).map(({ object, message }) => `${object}: ${message}`)
  const more = notes.length > 5 ? `; and ${notes.length - 5} more` : ''
  return {
    kind: 'failed',
    said: { code: broken ? 'HEALTH_FAILED' : 'HEALTH_TIMEOUT', message: boundedMessage(`${listed.join('; ')}${more}`) },
  }
}

/** Each object that failed or is still waited for, as a record lists it. */
export function healthFaults(health: Health): readonly Refusal[] {
  const faults = (notes: Health['failed'], code: ErrorCode) => notes.map((note) => ({ ...note, code }))
  return [...faults(health.failed, 'HEALTH_FAILED'), ...faults(health.waiting, 'HEALTH_TIMEOUT')]
}
