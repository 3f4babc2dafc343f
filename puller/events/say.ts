import { shortDigest } from '../../contract/digest.ts'
import type { Change, RecordSpec } from '../kinds.ts'

/** Pure: records and changes in the words that people read in Events, notifications and conditions. Paths, names and reasons, never a value. */

const CHANGES_SAID_MAX = 5
const FIELDS_SAID_MAX = 3

/** `configure Deployment.apps shop/api (spec.replicas; jane with kubectl); …`, the first five. Without times, so that repeats are the same. */
export function changesSaid(changes: readonly Change[], total: number = changes.length): string {
  const listed = changes.slice(0, CHANGES_SAID_MAX).map(changeSaid)
  const more = total - listed.length
  return `${listed.join('; ')}${more > 0 ? `; and ${more} more` : ''}`
}

function changeSaid({ action, object, fields = [], manager, user, breakGlass }: Change): string {
  const paths = fields.slice(0, FIELDS_SAID_MAX).join(', ')
  const more = fields.length > FIELDS_SAID_MAX ? ` and ${fields.length - FIELDS_SAID_MAX} more` : ''
  const who = [user, manager].filter((one) => one !== undefined).join(' with ')
  const glass = breakGlass === undefined ? '' : `break glass: ${breakGlass}`
  const notes = [`${paths}${more}`, who, glass].filter((note) => note !== '')
  return `${action} ${object}${notes.length === 0 ? '' : ` (${notes.join('; ')})`}`
}

/** One sentence for one record. The same facts give the same sentence, so that repeats can be counted. */
export function recordSaid(record: RecordSpec): string {
  const about = whatOf(record)
  const { kind, error, changes, trigger } = record
  const why = trigger.reason === undefined ? '' : ` (${trigger.reason})`
  const by = trigger.by === undefined ? '' : ` by ${trigger.by}`
  const told = error === undefined ? '' : `: ${error.code}: ${error.message}`
  switch (kind) {
    case 'Intent':
      return `${about} is being applied, ${changes?.total ?? 0} changes${why}`
    case 'Applied':
      return `${about} is applied and healthy${why}`
    case 'Unchanged':
      return `${about} changes nothing here${why}`
    case 'RolledBack':
      return `went back to ${about}, which is applied and healthy${why}`
    case 'Refused':
      return `${about} is refused${told}`
    case 'Failed':
      return `${about} failed${told}`
    case 'TrustChanged':
      return `${about} is no longer trusted${told}`
    case 'DriftCorrected':
      return `drift was put back: ${changesSaid(changes?.listed ?? [], changes?.total)}`
    case 'DriftDetected':
      return `drift was found, and left: ${changesSaid(changes?.listed ?? [], changes?.total)}`
    case 'DriftResolved':
      return `drift is gone${why}`
    case 'Suspended':
      return `suspended${by}${why}`
    case 'Resumed':
      return `resumed${by}${why}`
    case 'AwaitingApproval': {
      const { namespace, name } = record.delivery
      return `${about} waits for approval, ${changes?.total ?? 0} changes${why}: \`waybill plan ${name} -n ${namespace}\``
    }
    case 'Approved':
      return `${about} was approved${by}${why}`
    case 'Removed':
      return `what was delivered is removed, ${changes?.total ?? 0} changes${why}`
    case 'Checkpoint':
      return `old records were dropped behind a checkpoint${why}`
  }
}

function whatOf({ version, digest }: RecordSpec): string {
  const short = digest === undefined ? undefined : shortDigest(digest)
  if (version === undefined) return short ?? 'what is asked for'
  return short === undefined ? version : `${version} (${short})`
}
