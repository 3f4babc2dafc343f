import type { RegistryReader } from '../../contract/registry/registry.ts'
import { type PackedCommit, packArtifacts } from '../../packager/pack-commit.ts'
import { gatherFacts } from '../../packager/publish/build-facts.ts'
import { readCiRun } from '../../packager/publish/ci.ts'
import type { SigningKey } from '../../packager/publish/keys.ts'
import { type BuildFacts, LOCAL_BUILDER_ID } from '../../packager/publish/provenance.ts'
import { type Published, type PublishOptions, publishAll, versionOf } from '../../packager/publish/publish.ts'
import { type Standing, sameInChannel } from '../../packager/publish/standing.ts'
import { commitOptions } from '../commit.ts'
import { commitFlags, examples, type Flags, quietFlag, registryFlags } from '../flags.ts'
import { environmentLines, warningLines } from '../output.ts'
import { openStores } from '../registry.ts'
import { readSigningKey } from '../signing.ts'
import type { Context, Outcome, Verb } from '../verb.ts'

export const verb: Verb = {
  define: (command) => {
    commitFlags(command)
      .requiredOption('--key <file>', 'ECDSA P-256: a PEM file, or a cosign.key with its password in COSIGN_PASSWORD')
      .option('--version <version>', 'default: the version tag on the commit; with neither, no version')
      .option('--channel <name>', 'promote into this channel as well')
      .option('--reason <text>', 'why it is promoted; it is signed')
      .option(
        '--builder-id <uri>',
        `who builds (default: as GitHub Actions or GitLab CI say, else ${LOCAL_BUILDER_ID})`,
      )
      .option(
        '--ref <ref>',
        'the Git ref that is built, as refs/heads/main (default: as the CI says, else what --rev names)',
      )
      .option('--workflow <file>', 'the workflow that runs (default: as the CI says)')
      .option('--invocation-id <id>', 'the run (default: as the CI says)')
      .option('--actor <name>', 'who set the run off (default: as the CI says)')
      .option(
        '--if-changed',
        'publish nothing where --channel names the same objects already, and no version is asked for',
      )
      .option('--to-layout <dir>', 'into the folder of an OCI layout, made or added to; no registry is asked')
    quietFlag(registryFlags(command))
    examples(
      command,
      'waybill publish --key release.pem --version 1.4.2',
      'waybill publish --key release.pem --channel staging --builder-id https://ci.example.com/runner --ref refs/heads/main',
      'waybill publish --key release.pem --channel staging --if-changed',
      'waybill publish --key release.pem --version 1.4.2 --to-layout ./out && waybill show ./out:1.4.2',
    )
  },
  run: async (_args, flags, context) => {
    if (flags.on('ifChanged')) flags.need('channel')
    if (flags.text('reason') !== undefined) flags.need('channel')
    const key = await readSigningKey(flags, context)
    const artifacts = await packArtifacts({ ...commitOptions(flags, context), onStep: context.step })
    const [{ warnings }] = artifacts
    for (const line of warningLines(warnings)) context.progress(line)
    const build = buildFacts(flags, context, artifacts[0])
    await using stores = await openStores(flags, context)
    const wanted: { packed: PackedCommit; options: PublishOptions; layout: string | undefined }[] = []
    const outcomes = new Map<PackedCommit, Outcome>()
    for (const packed of artifacts) {
      const layout = layoutFor(packed, artifacts.length, flags)
      const store = stores.at(layout)
      const standing = await standingFor(packed, flags, { ...store, key })
      if (standing !== undefined) outcomes.set(packed, nothingToPublish(standing, packed))
      else wanted.push({ packed, layout, options: { ...store, key, build, ...namesFor(packed, flags, context) } })
    }
    const published = await publishAll(wanted)
    for (const [at, { packed, layout }] of wanted.entries()) {
      const one = published[at]
      if (one !== undefined) outcomes.set(packed, printPublished(one, layout))
    }
    const all = artifacts.flatMap((packed) => outcomes.get(packed) ?? [])
    const [only, ...others] = all.map(({ data }) => data)
    return {
      data: others.length === 0 ? { ...only, warnings } : { artifacts: all.map(({ data }) => data), warnings },
      text: all.map(({ text }) => text).join('\n'),
    }
  },
}

/** Two repositories may give a version to two artifacts, which one layout cannot: each gets one of its own. */
function layoutFor({ release }: PackedCommit, count: number, flags: Flags): string | undefined {
  const folder = flags.text('toLayout')
  if (folder === undefined || count === 1) return folder
  return `${folder}/${release.package.repository.replaceAll(':', '_')}`
}

function namesFor({ commit }: PackedCommit, flags: Flags, { now, step }: Context) {
  const [version, channel, reason] = [flags.text('version'), flags.text('channel'), flags.text('reason')]
  return {
    gitTags: commit.tags,
    now,
    onStep: step,
    ...(version === undefined ? {} : { version }),
    ...(channel === undefined ? {} : { channel }),
    ...(reason === undefined ? {} : { reason }),
  }
}

function printPublished(published: Published, layout: string | undefined): Outcome {
  const reference = layout === undefined ? published.reference : `${layout}@${published.digest}`
  const did = published.changed ? 'published' : 'was there already'
  const named = [published.version, published.channel?.name].filter((name) => name !== undefined)
  return {
    data: { ...published, reference },
    text: [
      `${reference} ${did}${named.length === 0 ? '' : `, as ${named.join(' and ')}`}`,
      ...environmentLines(published.environments),
    ].join('\n'),
  }
}

/** What no clone can say of itself: who builds, and what for. */
function buildFacts(
  flags: Flags,
  { env, version, now }: Context,
  { commit, packageFile, tools }: PackedCommit,
): BuildFacts {
  const stated = (['builderId', 'ref', 'workflow', 'invocationId', 'actor'] as const).map((name) => [
    name,
    flags.text(name),
  ])
  const built = {
    commit: commit.sha,
    source: packageFile.source,
    ...(commit.ref === undefined ? {} : { ref: commit.ref }),
  }
  const facts = gatherFacts(
    Object.fromEntries(stated.filter(([, value]) => value !== undefined)),
    readCiRun(env),
    built,
  )
  return { ...facts, tools: { waybill: version, ...tools }, startedOn: now }
}

/** Where --if-changed was given: what stands in the channel, if it is the same. A version that is asked for is a reason of its own. */
async function standingFor(
  { release, commit }: PackedCommit,
  flags: Flags,
  { reader, key }: { readonly reader: RegistryReader; readonly key: SigningKey },
): Promise<Standing | undefined> {
  const version = flags.text('version')
  const named = versionOf({ gitTags: commit.tags, ...(version === undefined ? {} : { version }) })
  if (!flags.on('ifChanged') || named !== undefined) return undefined
  return sameInChannel(release, { channel: flags.need('channel'), reader, key })
}

/** As what publishing prints, of the release that is there. */
function nothingToPublish({ reference, digest, channel, release }: Standing, packed: PackedCommit): Outcome {
  const { commit, environments } = packed
  const { revision } = release.source
  return {
    data: {
      reference,
      digest,
      channel: { name: channel },
      revision,
      environments,
      attestations: [],
      changed: false,
      unchangedAt: commit.revision,
    },
    text: [
      `${channel} is ${reference} of ${revision}, with the same objects: nothing to publish for ${commit.revision}`,
      ...environmentLines(environments),
    ].join('\n'),
  }
}
