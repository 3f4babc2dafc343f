import { checkCommit } from '../../packager/pack-commit.ts'
import { commitOptions } from '../commit.ts'
import { commitFlags, examples } from '../flags.ts'
import { counted } from '../output.ts'
import type { Verb } from '../verb.ts'

export const verb: Verb = {
  define: (command) => {
    commitFlags(command)
    examples(command, 'waybill check', 'waybill check --rev main --output json')
  },
  run: async (_args, flags, context) => {
    const { commit, environments, tools } = await checkCommit(commitOptions(flags, context))
    const counts = Object.entries(environments).map(([name, objects]) => [name, { objects: objects.length }] as const)
    const lines = counts.map(([name, { objects }]) => `  ${name}: ${counted(objects, 'object')}`)
    return {
      data: { revision: commit.revision, environments: Object.fromEntries(counts), tools },
      text: [`${commit.revision}: no faults`, ...lines].join('\n'),
    }
  },
}
