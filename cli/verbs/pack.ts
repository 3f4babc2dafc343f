import { writeLayout } from '../../packager/layout.ts'
import { packCommit } from '../../packager/pack-commit.ts'
import { commitOptions } from '../commit.ts'
import { commitFlags, examples, pathFrom } from '../flags.ts'
import { environmentLines, warningLines } from '../output.ts'
import type { Verb } from '../verb.ts'

export const verb: Verb = {
  define: (command) => {
    commitFlags(command).requiredOption('--out <dir>', 'the folder of an OCI layout; made, or added to')
    examples(command, 'waybill pack --out packed', 'waybill pack --rev v1.4.2 --out packed && waybill show ./packed')
  },
  run: async (_args, flags, context) => {
    const out = flags.need('out')
    const packed = await packCommit(commitOptions(flags, context))
    for (const line of warningLines(packed.warnings)) context.progress(line)
    await writeLayout(pathFrom(context.cwd, out), packed)
    const { digest, commit, environments, release, tools } = packed
    return {
      data: {
        reference: `${out}@${digest}`,
        digest,
        package: release.package,
        revision: commit.revision,
        environments,
        tools,
        warnings: packed.warnings,
      },
      text: [digest, ...environmentLines(environments)].join('\n'),
    }
  },
}
