import { shortDigest } from '../contract/digest.ts'
import { type Fault, WaybillError } from '../contract/errors.ts'
import { safeLines, visible } from '../packager/diff/visible.ts'
import type { Outcome } from './verb.ts'

export type OutputForm = 'text' | 'json'

/** What goes to stdout when a verb is done: in JSON exactly one document. */
export function printOutcome(form: OutputForm, outcome: Outcome): string {
  if (form === 'json') {
    const { data, error } = outcome
    return jsonText(error === undefined ? data : { ...data, error: errorData(error) })
  }
  return outcome.text === '' || outcome.text.endsWith('\n') ? outcome.text : `${outcome.text}\n`
}

/** An error for people: what happened, each fault with its place, what to do next. Names out of a commit command no terminal and no CI. */
export function errorText(error: WaybillError): string {
  const text = [
    `error ${error.code}: ${error.message}`,
    ...error.faults.map((fault) => `  ${faultText(fault)}`),
    ...warningLines(error.warnings).map((line) => `  ${line}`),
    `hint: ${error.hint}`,
    '',
  ].join('\n')
  return safeLines(text.split('\n').map(visible))
}

/** `warning: ` and a line like that of a fault, for each. */
export function warningLines(warnings: readonly Fault[]): readonly string[] {
  return warnings.map((warning) => `warning: ${faultText(warning)}`)
}

/** `deploy/api.yaml:12 Deployment.apps shop/api (production): the image has no digest [CODE]` */
function faultText(fault: Fault): string {
  const place =
    fault.file === undefined ? undefined : `${fault.file}${fault.line === undefined ? '' : `:${fault.line}`}`
  const environment = fault.environment === undefined ? undefined : `(${fault.environment})`
  const where = [place, fault.object, environment].filter((part) => part !== undefined).join(' ')
  return `${where === '' ? '' : `${where}: `}${fault.message} [${fault.code}]`
}

/** An error as the one JSON document. */
export function errorJson(error: WaybillError): string {
  return jsonText({ error: errorData(error) })
}

function errorData({ code, message, hint, retry, faults, warnings }: WaybillError) {
  return { code, message, hint, retry, faults, ...(warnings.length === 0 ? {} : { warnings }) }
}

function jsonText(data: object): string {
  return `${JSON.stringify(data, null, 2)}\n`
}

/** Whatever was thrown, as a WaybillError: what we do not know is INTERNAL, with its message and no stack. */
export function toWaybillError(thrown: unknown): WaybillError {
  if (thrown instanceof WaybillError) return thrown
  const message = thrown instanceof Error ? thrown.message : String(thrown)
  return new WaybillError('INTERNAL', firstLines(message), { cause: thrown })
}

function firstLines(message: string): string {
  return message
    .split('\n')
    .filter((line) => !/^\s+at /.test(line))
    .join('\n')
    .slice(0, 2048)
}

/** A table for people: columns as wide as they must be, two spaces between, no trailing blanks. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head, ...rows]
  const widths = head.map((_, column) => Math.max(...all.map((row) => (row[column] ?? '').length)))
  return all
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** `3m`, `2h`, `5d`: how long ago, for people. */
export function ago(then: string | undefined, now: Date): string {
  const ms = then === undefined ? Number.NaN : now.getTime() - Date.parse(then)
  if (Number.isNaN(ms)) return '-'
  const seconds = Math.max(0, Math.floor(ms / 1000))
  if (seconds < 120) return `${seconds}s`
  if (seconds < 7200) return `${Math.floor(seconds / 60)}m`
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)}h`
  return `${Math.floor(seconds / 86_400)}d`
}

/** A digest in a table: its first twelve hex digits. */
export function shorten(digest: string | undefined): string {
  return digest === undefined ? '-' : shortDigest(digest)
}

/** A line for each environment of a release. */
export function environmentLines(
  environments: Readonly<Record<string, { readonly treeDigest: string; readonly objects: number }>>,
): readonly string[] {
  return Object.entries(environments).map(
    ([name, { treeDigest, objects }]) => `  ${name}: ${counted(objects, 'object')}, ${shortDigest(treeDigest)}`,
  )
}

/** `1 object`, `2 objects`. */
export function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`
}
