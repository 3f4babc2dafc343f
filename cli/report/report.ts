import type { Finding } from './findings.ts'
import { githubReport } from './github.ts'
import { gitlabReport } from './gitlab.ts'
import { sarifReport } from './sarif.ts'

/** Forms of a report that services read and show beside the lines of files. */
export const REPORT_FORMS = ['github', 'gitlab', 'sarif'] as const
export type ReportForm = (typeof REPORT_FORMS)[number]

export function isReportForm(form: string | undefined): form is ReportForm {
  return REPORT_FORMS.some((known) => known === form)
}

/** The report for stdout. `version` is Waybill's own. */
export function printReport(form: ReportForm, findings: readonly Finding[], version: string): string {
  if (form === 'github') return githubReport(findings)
  return form === 'gitlab' ? gitlabReport(findings) : sarifReport(findings, version)
}
