import { checkCommit } from '../../packager/pack-commit.ts'
import { commitOptions } from '../commit.ts'
import { commitFlags, examples } from '../flags.ts'
import { counted, warningLines } from '../output.ts'
import type { Verb } from '../verb.ts'

export const verb: Verb = {
  define: (command) => {
    commitFlags(command)
    examples(command, 'waybill check', 'waybill check --rev main --output json')
  },
  run: async (_args, flags, context) => {
    const { commit, environments, tools, warnings } = await checkCommit(commitOptions(flags, context))
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
