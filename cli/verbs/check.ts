import { WaybillError } from '../../contract/errors.ts'
import { type CommitOptions, checkCommit, folderOf } from '../../packager/pack-commit.ts'
import { PACKAGE_FILE } from '../../packager/package-file.ts'
import { commitOptions } from '../commit.ts'
import { commitFlags, examples, quietFlag } from '../flags.ts'
import { counted, warningLines } from '../output.ts'
import { findingsOf } from '../report/findings.ts'
import { isReportForm, printReport, REPORT_FORMS, type ReportForm } from '../report/report.ts'
import type { Outcome, Verb } from '../verb.ts'

export const verb: Verb = {
  forms: REPORT_FORMS,
  define: (command) => {
    quietFlag(commitFlags(command))
    examples(
      command,
      'waybill check',
      'waybill check --rev main --output json',
      'waybill check --path packages/api          # one package of a monorepo',
      'waybill check --output sarif > waybill.sarif',
    )
  },
  run: async (_args, flags, context) => {
    const options = { ...commitOptions(flags, context), onStep: context.step }
    const form = flags.text('output')
    if (isReportForm(form)) return reportOn(options, form, context.version)
    const { commit, environments, tools, warnings } = await checkCommit(options)
    for (const line of warningLines(warnings)) context.progress(line)
    const counts = Object.entries(environments).map(([name, objects]) => [name, { objects: objects.length }] as const)
    const lines = counts.map(([name, { objects }]) => `  ${name}: ${counted(objects, 'object')}`)
    return {
      data: { revision: commit.revision, environments: Object.fromEntries(counts), tools, warnings },
      text: [
        `${commit.revision}: no faults${warnings.length === 0 ? '' : `, ${counted(warnings.length, 'warning')}`}`,
        ...lines,
      ].join('\n'),
    }
  },
}

/** What is wrong as a service shows it; the exit status is that of the other forms. */
async function reportOn(options: CommitOptions, form: ReportForm, version: string): Promise<Outcome> {
  const packageFile = `${folderOf(options.path)}${PACKAGE_FILE}`
  try {
    const { warnings } = await checkCommit(options)
    return { data: {}, text: printReport(form, findingsOf(undefined, warnings, packageFile), version) }
  } catch (error) {
    if (!(error instanceof WaybillError)) throw error
    const text = printReport(form, findingsOf(error, error.warnings, packageFile), version)
    // GitHub's log has the report itself to read; the others go to a file, and the log needs words.
    return { data: {}, text, ...(form === 'github' ? { exit: error.exit } : { error }) }
  }
}
