import { homedir, tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { WaybillError } from '../../contract/errors.ts'
import { type Initialised, init } from '../../packager/init/init.ts'
import { readKubernetes } from '../../packager/schemas/disk.ts'
import { makeTempFolder } from '../disk.ts'
import { collect, examples, pathFrom } from '../flags.ts'
import type { Context, Verb } from '../verb.ts'

export const verb: Verb = {
  define: (command) => {
    command
      .option('--repository <repository>', 'where releases are published to: host[:port]/path')
      .option('--name <name>', 'the package (default: the last part of --repository)')
      .option('--source <url>', 'where the source is at home (default: as the remote "origin" says)')
      .option('--kubernetes <version>', 'the version of your clusters (default: the newest that Waybill knows)')
      .option('--from <path>', 'what to deliver, where there are several; may be given again', collect)
      .option('--key [file]', 'make a key pair too (default: outside the repository, under ~/.config/waybill)')
      .option('--trust-policy <file>', 'write a TrustPolicy that trusts the new key')
      .option('--dry-run', 'print waybill.yaml, and write nothing')
      .option('--repo <dir>', 'the Git repository (default: the one around the current folder)')
    examples(
      command,
      'waybill init --repository registry.example.com/acme/shop',
      'waybill init --repository ghcr.io/acme/shop --from deploy/overlays --key --trust-policy trust-policy.yaml',
    )
  },
  run: async (_args, flags, context) => {
    const { env, cwd, atEnd } = context
    const key = flags.text('key')
    const trustPolicy = flags.text('trustPolicy')
    const done = await init({
      folder: pathFrom(cwd, flags.text('repo') ?? '.'),
      env,
      emptyDir: makeTempFolder(env.TMPDIR ?? tmpdir(), atEnd),
      repository: flags.text('repository'),
      name: flags.text('name'),
      source: flags.text('source'),
      kubernetesVersion: await kubernetesOf(flags.text('kubernetes')),
      from: flags.list('from').map((path) => path.replace(/^\.\//, '').replace(/(.)\/+$/, '$1')),
      key: key !== undefined ? pathFrom(cwd, key) : flags.on('key') ? null : undefined,
      keyFolder: join(env.XDG_CONFIG_HOME ?? join(env.HOME ?? homedir(), '.config'), 'waybill'),
      trustPolicy: trustPolicy === undefined ? undefined : pathFrom(cwd, trustPolicy),
      dryRun: flags.on('dryRun'),
    })
    return { data: done, text: done.written ? textOf(done, context) : dryText(done) }
  },
}

/** A version that `check` would refuse is refused before it stands in a file; default: the newest that is known. */
async function kubernetesOf(asked: string | undefined): Promise<string> {
  const { pinned, known } = await readKubernetes(asked ?? '')
  const newest = known.at(-1) ?? ''
  if (pinned !== undefined && !known.includes(pinned))
    throw new WaybillError('USAGE', `--kubernetes ${pinned}: ${known[0]} to ${newest} are known`, {
      hint: 'Name one of these, the oldest that your clusters run.',
    })
  return asked ?? newest
}

function dryText({ files }: Initialised): string {
  return files.map(({ path, text }) => `# ${path}\n${text ?? '# (a private key, which is not shown)\n'}`).join('\n')
}

function textOf({ files, found, environments }: Initialised, { cwd }: Context): string {
  const near = (path: string) => {
    const inside = relative(cwd, path)
    return inside.startsWith('..') ? path : inside
  }
  const hasKey = files.some(({ holds }) => holds === 'private-key')
  return [
    found === undefined
      ? 'found nothing to deliver yet: waybill.yaml names a folder `deploy`, put manifests there or name yours'
      : `found ${found.kind} in ${found.path}: ${environments.join(', ')}`,
    ...files.map(
      ({ path, holds }) => `wrote ${near(path)}${holds === 'private-key' ? ', the private key: never commit it' : ''}`,
    ),
    'next: read waybill.yaml and commit it; `waybill check`; `waybill lock` where images have tags only',
    ...(hasKey ? [] : ['`waybill publish` needs a key; docs/guides/init.md says how to make one without --key']),
  ].join('\n')
}
