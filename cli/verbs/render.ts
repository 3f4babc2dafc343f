import { join } from 'node:path'
import { isKubeObject } from '../../contract/artifact/objects.ts'
import { writeAtomic } from '../../packager/disk.ts'
import { renderCommit } from '../../packager/pack-commit.ts'
import { printYaml } from '../../puller/install/print.ts'
import { commitOptions } from '../commit.ts'
import { collect, commitFlags, examples, pathFrom, quietFlag } from '../flags.ts'
import { counted } from '../output.ts'
import { redactSecret } from '../redact.ts'
import type { Verb } from '../verb.ts'

export const verb: Verb = {
  define: (command) => {
    quietFlag(commitFlags(command))
      .option('--env <name>', 'only this environment; may be given again', collect)
      .option('--out <dir>', 'write one file an environment, Secrets with their values, instead of printing')
      .option('--show-secrets', 'print the values of Secrets too')
    examples(command, 'waybill render --env production', 'waybill render --rev v1.4.2 --out rendered')
  },
  run: async (_args, flags, context) => {
    const only = flags.list('env')
    const out = flags.text('out')
    const { commit, rendered } = await renderCommit({
      ...commitOptions(flags, context),
      onStep: context.step,
      ...(only.length === 0 ? {} : { environments: only }),
    })
    const asIs = out !== undefined || flags.on('showSecrets')
    const environments = Object.entries(rendered.environments).map(([name, found]) => {
      const objects = found.map(({ object }) => object).filter((object) => isKubeObject(object))
      return { name, objects: asIs ? objects : objects.map(redactSecret) }
    })
    if (out === undefined)
      return {
        data: {
          revision: commit.revision,
          environments: Object.fromEntries(environments.map(({ name, objects }) => [name, objects])),
        },
        text: environments.map(({ name, objects }) => `# environment ${name}\n${printYaml(objects)}`).join(''),
      }
    const folder = pathFrom(context.cwd, out)
    await writeAtomic(
      environments.map(({ name, objects }) => ({
        path: join(folder, `${name}.yaml`),
        bytes: Buffer.from(printYaml(objects), 'utf8'),
      })),
    )
    const files = environments.map(({ name, objects }) => ({ file: `${out}/${name}.yaml`, objects: objects.length }))
    return {
      data: { revision: commit.revision, files },
      text: files.map(({ file, objects }) => `${file}: ${counted(objects, 'object')}`).join('\n'),
    }
  },
}
