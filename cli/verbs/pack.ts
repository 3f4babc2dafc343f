import { writeLayout } from '../../packager/layout.ts'
import { packArtifacts } from '../../packager/pack-commit.ts'
import { commitOptions } from '../commit.ts'
import { commitFlags, examples, pathFrom, quietFlag } from '../flags.ts'
import { environmentLines, warningLines } from '../output.ts'
import type { Verb } from '../verb.ts'

export const verb: Verb = {
  define: (command) => {
    quietFlag(commitFlags(command)).requiredOption('--out <dir>', 'the folder of an OCI layout; made, or added to')
    examples(command, 'waybill pack --out packed', 'waybill pack --rev v1.4.2 --out packed && waybill show ./packed')
  },
  run: async (_args, flags, context) => {
    const out = flags.need('out')
    const artifacts = await packArtifacts({ ...commitOptions(flags, context), onStep: context.step })
    const [{ warnings }] = artifacts
    for (const line of warningLines(warnings)) context.progress(line)
    for (const packed of artifacts) await writeLayout(pathFrom(context.cwd, out), packed)
    const [first, ...others] = artifacts.map(({ digest, commit, environments, release, tools }) => ({
      reference: `${out}@${digest}`,
      digest,
      package: release.package,
      revision: commit.revision,
      environments,
      tools,
    }))
    return {
      data: others.length === 0 ? { ...first, warnings } : { artifacts: [first, ...others], warnings },
      text: artifacts.flatMap(({ digest, environments }) => [digest, ...environmentLines(environments)]).join('\n'),
    }
  },
}
