import { describeFinding, type Finding } from './findings.ts'

/** A GitLab code quality report: one JSON array, empty where nothing was found. */
export function gitlabReport(findings: readonly Finding[]): string {
  const entries = findings.map((finding) => ({
    description: `${sentence(describeFinding(finding))} ${finding.hint}`,
    check_name: finding.code,
    fingerprint: finding.fingerprint,
    severity: finding.level === 'error' ? 'blocker' : 'minor',
    location: { path: finding.file, lines: { begin: finding.line } },
  }))
  return JSON.stringify(entries, null, 2)
}

/** A message that asks (`did you mean replicas?`) or names what is cut has its own end. */
function sentence(text: string): string {
  return /[.?!…]$/.test(text) ? text : `${text}.`
}
