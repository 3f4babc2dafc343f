import { explainFinding, type Finding } from './findings.ts'

/** A GitLab code quality report: one JSON array, empty where nothing was found. */
export function gitlabReport(findings: readonly Finding[]): string {
  const entries = findings.map((finding) => ({
    description: explainFinding(finding),
    check_name: finding.code,
    fingerprint: finding.fingerprint,
    severity: finding.level === 'error' ? 'blocker' : 'minor',
    location: { path: finding.file, lines: { begin: finding.line } },
  }))
  return JSON.stringify(entries, null, 2)
}
