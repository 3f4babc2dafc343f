import { WaybillError } from '../../contract/errors.ts'
import { diffMarkdown } from '../../packager/diff/markdown.ts'
import { compareSides, type DiffReport, type Trees } from '../../packager/diff/report.ts'
import { diffText } from '../../packager/diff/text.ts'
import { type OpenSide, openSides } from '../diff-side.ts'
import { EXIT } from '../exit.ts'
import { collect, examples, registryFlags } from '../flags.ts'
import type { Verb } from '../verb.ts'

export const verb: Verb = {
  forms: ['markdown'],
  define: (command) => {
    command
      .argument('<before>', 'a release or a commit, see below')
      .argument('[after]', 'likewise; without it the commit that is checked out', 'HEAD')
      .option('--repo <dir>', 'the Git repository of revisions (default: the one around the current folder)')
      .option('--path <folder>', 'the folder of waybill.yaml in the repository (default: its root)')
      .option('--env <name>', 'only this environment; may be given again', collect)
      .option('--exit-code', 'exit with status 5 when they differ')
    registryFlags(command)
    command.addHelpText('after', FORMS)
    examples(
      command,
      'waybill diff registry.example.com/acme/shop:production',
      'waybill diff origin/main HEAD --output markdown > comment.md',
      'waybill diff registry.example.com/acme/shop:1.4.1 registry.example.com/acme/shop:1.4.2 --env production',
      'waybill diff ./packed HEAD --exit-code',
    )
  },
  run: async ([before = '', after = 'HEAD'], flags, context) => {
    const only = flags.list('env')
    const [old, now] = await openSides([before, after], only, flags, context)
    assertKnown(only, old, now)
    for (const { name, uncommitted } of [old.side, now.side])
      if (uncommitted) context.progress(`${name}: changes that are not committed are not compared; commit them first`)
    const report = compareSides(...(await loadBoth(old, now)))
    return {
      data: report,
      text: printed(report, flags.text('output'), context.colour === true),
      ...(report.differ && flags.on('exitCode') && { exit: EXIT.differ }),
    }
  },
}

const FORMS = `
What is compared is named by
  host/path:tag, host/path@sha256:…     a release in a registry; it is read, and not verified
  ./folder, /folder, ./folder@sha256:…  a release in the folder that \`waybill pack\` wrote
  anything else                         a commit of --repo: a branch, tag or hash, rendered as \`waybill render\` does
Commits are compared as they were committed; the working tree is never read. Values of Secrets are never shown.`

function printed(report: DiffReport, form: string | undefined, colour: boolean): string {
  return form === 'markdown' ? diffMarkdown(report) : diffText(report, { colour })
}

function assertKnown(only: readonly string[], old: OpenSide, now: OpenSide): void {
  const unknown = only.find((name) => !old.digests.has(name) && !now.digests.has(name))
  if (unknown !== undefined)
    throw new WaybillError(
      'ENVIRONMENT_MISSING',
      `neither ${old.side.name} nor ${now.side.name} has an environment ${unknown}`,
    )
}

/** Objects of environments that differ; of the others their digest says it all. */
async function loadBoth(old: OpenSide, now: OpenSide) {
  const differ = (name: string) => old.digests.get(name) !== now.digests.get(name)
  const load = async ({ side, digests, load }: OpenSide) => {
    const loaded = await load([...digests.keys()].filter(differ))
    const trees: Trees = new Map(
      [...digests].map(([name, treeDigest]) => [name, loaded.get(name) ?? { treeDigest, objects: [] }]),
    )
    return { side, trees }
  }
  return [await load(old), await load(now)] as const
}
