import { visible } from '../../packager/diff/visible.ts'
import { counted } from '../output.ts'
import { describeFinding, type Finding } from './findings.ts'

const SHOWN_MAX = 10

/**
 * Workflow commands, one a line, that GitHub Actions turns into annotations of files; the last says how many there are, because no more
 * than ten of a kind are shown for a step.
 */
export function githubReport(findings: readonly Finding[]): string {
  const count = (level: Finding['level']) => findings.filter((finding) => finding.level === level).length
  const [errors, warnings] = [count('error'), count('warning')]
  const total = `${counted(errors, 'fault')} and ${counted(warnings, 'warning')}`
  const more =
    Math.max(errors, warnings) > SHOWN_MAX ? `; GitHub shows ${SHOWN_MAX} of each here, the log has them all` : ''
  return [...findings.map(annotation), command('notice', { title: 'waybill check' }, `${total}${more}`)].join('\n')
}

function annotation(finding: Finding): string {
  const { level, code, file, line, hint } = finding
  return command(level, { file, line: String(line), title: code }, `${describeFinding(finding)}\n${hint}`)
}

/** `::error file=…,line=…::message`, escaped as actions/toolkit does (packages/core/src/command.ts). */
function command(name: string, properties: Readonly<Record<string, string>>, message: string): string {
  const written = Object.entries(properties).map(([key, value]) => `${key}=${escapeProperty(value)}`)
  return `::${name} ${written.join(',')}::${escapeData(message.split('\n').map(visible).join('\n'))}`
}

function escapeData(text: string): string {
  return text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A')
}

function escapeProperty(text: string): string {
  return escapeData(visible(text)).replaceAll(':', '%3A').replaceAll(',', '%2C')
}
