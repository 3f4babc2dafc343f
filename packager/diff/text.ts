import { shortDigest } from '../../contract/digest.ts'
import { definitionLines, fieldLines, imageLines, objectLine } from './change-lines.ts'
import type { Counts, EnvironmentDiff } from './compare.ts'
import type { DiffReport, DiffSide } from './report.ts'
import { safeLines, visible } from './visible.ts'

/** The report for a person at a terminal. `colour`: with ANSI colours. */
export function diffText(report: DiffReport, { colour }: { readonly colour: boolean }): string {
  const lines = [
    ...sideLines(report),
    ...Object.entries(report.environments).flatMap(([name, environment]) => [
      '',
      ...environmentLines(name, environment),
    ]),
  ]
  return safeLines(colour ? lines.map(coloured) : lines)
}

function sideLines({ before, after }: DiffReport): readonly string[] {
  return [`Before: ${describeSide(before)}`, `After:  ${describeSide(after)}`, ...aboutSides(before, after)].map(
    visible,
  )
}

/** `registry.example.com/acme/shop:1.4.2, sha256:…, sha1:… of 2026-11-21T10:00:00Z, not verified`. */
export function describeSide({ name, kind, digest, revision, committedAt, versions }: DiffSide): string {
  return [
    name,
    ...(digest === undefined ? [] : [shortDigest(digest)]),
    ...(versions.length === 0 ? [] : [`version ${versions.join(' and ')}`]),
    `${revision.slice(0, revision.indexOf(':') + 13)} of ${committedAt}`,
    ...(kind === 'release' ? ['not verified'] : []),
  ].join(', ')
}

/** What else is not the same on both sides, or worth knowing. */
export function aboutSides(before: DiffSide, after: DiffSide): readonly string[] {
  const told = (what: string, a: string, b: string) => (a === b ? [] : [`${what}: ${a || '(none)'} → ${b || '(none)'}`])
  const [old, now] = [before.tools, after.tools]
  const tools = old === undefined || now === undefined ? [] : [...new Set([...Object.keys(old), ...Object.keys(now)])]
  return [
    ...told('Package', before.package, after.package),
    ...told('Repository', before.repository, after.repository),
    ...told('Source', before.source, after.source),
    ...told('Kubernetes', before.kubernetes, after.kubernetes),
    ...tools.flatMap((tool) => told(tool, old?.[tool] ?? '', now?.[tool] ?? '')),
    ...[before, after].flatMap(({ name, uncommitted }) =>
      uncommitted ? [`${name}: changes that are not committed are not part of it`] : [],
    ),
  ]
}

function environmentLines(name: string, environment: EnvironmentDiff): readonly string[] {
  const head = `${visible(name)}: ${describeCounts(environment)}`
  if (environment.status === 'same') return [head]
  const definitions = definitionLines(environment)
  return [
    head,
    ...section('Images', environment.images.flatMap(imageLines)),
    ...section('Custom kinds', definitions),
    ...section(
      'Objects',
      environment.objects.flatMap((object) => [objectLine(object), ...fieldLines(object).map((line) => `    ${line}`)]),
    ),
  ]
}

function section(title: string, lines: readonly string[]): readonly string[] {
  return lines.length === 0 ? [] : [`  ${title}`, ...lines.map((line) => `    ${line}`)]
}

/** `1 added, 2 removed, 3 changed`, and where only one side has the environment, that. */
export function describeCounts({ status, counts }: EnvironmentDiff): string {
  if (status === 'same') return 'nothing changes'
  const only = { added: 'a new environment: ', removed: 'the environment is gone: ', changed: '' }[status]
  return `${only}${countsText(counts)}`
}

export function countsText({ added, removed, changed }: Counts): string {
  return `${added} added, ${removed} removed, ${changed} changed`
}

const COLOURS: Readonly<Record<string, string>> = { '+': '32', '-': '31', '!': '33', '@': '36' }

function coloured(line: string): string {
  if (/^\S/.test(line)) return line
  const colour = COLOURS[line.trimStart().slice(0, 1)]
  return colour === undefined ? line : `\u001b[${colour}m${line}\u001b[0m`
}
