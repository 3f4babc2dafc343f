import { createHash } from 'node:crypto'
import { ERRORS, type ErrorCode, type Fault, type WaybillError } from '../../contract/errors.ts'
import { PACKAGE_FILE } from '../../packager/package-file.ts'

/** One fault or warning, as services that annotate files want it. */
export type Finding = {
  readonly level: 'error' | 'warning'
  readonly code: ErrorCode
  readonly message: string
  readonly hint: string
  /** Inside the repository, with `/`. Without a place of its own: the package's waybill.yaml, line 1. */
  readonly file: string
  /** From 1. */
  readonly line: number
  /** As `objectName` writes it. */
  readonly object?: string
  /** All in which it was found. */
  readonly environments: readonly string[]
  /** 64 hex digits: the same while the fault stays, also when lines move; in one list each is another. */
  readonly fingerprint: string
}

type Level = Finding['level']
type Placed = Fault & { readonly file: string }

/**
 * What an error holds, and warnings: what several environments share is one finding. In the order in which they came.
 * `packageFile`: where the package's `waybill.yaml` stands in the repository.
 */
export function findingsOf(
  error: WaybillError | undefined,
  warnings: readonly Fault[] = error?.warnings ?? [],
  packageFile: string = PACKAGE_FILE,
): readonly Finding[] {
  const faults = error === undefined ? [] : error.faults.length > 0 ? error.faults : [withoutPlace(error)]
  const told = [
    ...faults.map((fault) => ['error', { file: packageFile, ...fault }] as const),
    ...warnings.map((fault) => ['warning', { file: packageFile, ...fault }] as const),
  ]
  const groups = Map.groupBy(told, ([level, { environment: _environment, ...fault }]) => JSON.stringify([level, fault]))
  const seen = new Map<string, number>()
  return [...groups.values()].flatMap(([first, ...others]) => {
    if (first === undefined) return []
    const [level, fault] = first
    const environments = [first, ...others].flatMap(([, { environment }]) => environment ?? [])
    const identity = identityOf(level, fault)
    const count = seen.get(identity) ?? 0
    seen.set(identity, count + 1)
    return [findingOf(level, fault, [...new Set(environments)], sha256(`${identity}\n${count}`))]
  })
}

function withoutPlace({ code, message, hint }: WaybillError): Fault {
  return { code, message, hint }
}

/** Lines move whenever somebody edits above them, and what a fault says may name one. */
function identityOf(level: Level, { code, message, file, object }: Placed): string {
  return JSON.stringify([level, code, file, object ?? '', message.replace(/:\d+/g, '')])
}

function findingOf(level: Level, fault: Placed, environments: readonly string[], fingerprint: string): Finding {
  const { code, message, hint, file, line, object } = fault
  return {
    level,
    code,
    message,
    hint: hint ?? ERRORS[code].hint,
    file,
    line: line ?? 1,
    ...(object !== undefined && { object }),
    environments,
    fingerprint,
  }
}

/** `Deployment.apps shop/api (staging, production): the image has no digest`. */
export function describeFinding({ object, environments, message }: Finding): string {
  const where = [
    ...(object === undefined ? [] : [object]),
    ...(environments.length === 0 ? [] : [`(${environments.join(', ')})`]),
  ]
  return `${where.join(' ')}${where.length === 0 ? '' : ': '}${message}`
}

/** As `describeFinding`, and what to do about it. A message that asks (`did you mean replicas?`) or is cut has its own end. */
export function explainFinding(finding: Finding): string {
  const text = describeFinding(finding)
  return `${text}${/[.?!…]$/.test(text) ? '' : '.'} ${finding.hint}`
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
