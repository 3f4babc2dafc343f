import { type ErrorCode, WaybillError } from '../../contract/errors.ts'
import {
  byDigest,
  isChannel,
  isVersion,
  parseChannel,
  parseRepository,
  parseVersion,
} from '../../contract/reference.ts'
import { explainTrust, requireMirror } from '../../contract/trust/trust.ts'
import { fetchEnvironment, fetchRelease, type Release } from '../../puller/source/fetch.ts'
import { trustQuery, type VerifyTarget, verify } from '../../puller/source/verify.ts'
import { examples, type Flags, registryFlags } from '../flags.ts'
import { counted, toWaybillError } from '../output.ts'
import { rebuildCheck } from '../rebuild.ts'
import { type OpenRelease, openRelease } from '../release-source.ts'
import { readPolicies } from '../signing.ts'
import type { Verb } from '../verb.ts'

/** One thing that was checked, as it is printed. */
type Verdict = { readonly check: string; readonly ok: boolean; readonly detail: string; readonly policy?: string }

export const verb: Verb = {
  define: (command) => {
    command
      .argument(
        '<reference>',
        'repository or layout, with :tag or @sha256:…; a tag asks for its promotion or release as well',
      )
      .requiredOption('--policy <file>', 'TrustPolicies, as the cluster has them')
      .option('--channel <name>', 'ask for a promotion into this channel')
      .option('--version <version>', 'ask for a release statement of this version')
      .option('--mirror-of <repository>', 'the canonical repository, where this one is a mirror or a layout')
      .option('--rebuild', 'render and pack the commit again, and compare digests')
      .option('--repo <dir>', 'for --rebuild: a clone that has the commit')
      .option('--path <folder>', 'for --rebuild: the folder of waybill.yaml in the repository (default: its root)')
    registryFlags(command)
    examples(
      command,
      'waybill verify registry.example.com/acme/shop:production --policy trust.yaml',
      'waybill verify registry.example.com/acme/shop:1.4.2 --policy trust.yaml --rebuild --repo .',
      'waybill verify ./out:1.4.2 --policy trust.yaml --mirror-of registry.example.com/acme/shop',
    )
  },
  run: async ([text = ''], flags, context) => {
    refuseIdle(flags)
    const policies = (await readPolicies(flags, context)) ?? []
    await using opened = await openRelease(text, flags, context)
    const target = targetOf(opened, flags)
    const bundles = await opened.source.fetchBundles(opened.reference, opened.digest)
    const explained = explainTrust(policies, trustQuery(target), bundles)
    const verdicts: Verdict[] = explained.checks.map(({ check, ok, detail, policy }) => ({ check, ok, detail, policy }))
    let error = explained.error
    if (explained.trusted !== undefined) {
      try {
        requireMirror(policies, trustQuery(target))
        const release = await fetchRelease(verify(target, policies, bundles), opened.source)
        verdicts.push(await readEverything(release, opened))
        if (flags.on('rebuild')) verdicts.push(await rebuildCheck(release.config, opened.digest, flags, context))
      } catch (thrown) {
        error = toWaybillError(thrown)
        verdicts.push({
          check: FAILED_CHECK[error.code] ?? 'content',
          ok: false,
          detail: error.message,
        })
      }
    }
    const { warnings } = explained
    const lines = verdicts.map(({ check, ok, detail, policy }) => {
      const by = policy === undefined ? '' : ` (${policy})`
      return `${ok ? 'ok     ' : 'refused'} ${check}${by}: ${detail}`
    })
    return {
      data: { ok: error === undefined, reference: opened.name, digest: opened.digest, checks: verdicts, warnings },
      text: [opened.name, ...lines, ...warnings.map((warning) => `passed over: ${warning}`)].join('\n'),
      ...(error === undefined ? {} : { error }),
    }
  },
}

const FAILED_CHECK: Partial<Record<ErrorCode, string>> = { REBUILD_DIFFERS: 'rebuild', MIRROR_UNTRUSTED: 'mirror' }

/** Flags that say where to pack from again mean nothing where that is not asked for. */
function refuseIdle(flags: Flags): void {
  const idle = ['repo', 'path'].find((name) => flags.text(name) !== undefined)
  if (idle !== undefined && !flags.on('rebuild'))
    throw new WaybillError('USAGE', `--${idle} is for --rebuild, which was not given`)
}

/** What the puller would ask: a tag that is a channel or a version asks for the statement that goes with it. */
function targetOf({ reference, digest, name }: OpenRelease, flags: Flags): VerifyTarget {
  const mirrorOf = flags.text('mirrorOf')
  const inLayout = reference.registry === ''
  if (inLayout && mirrorOf === undefined)
    throw new WaybillError('USAGE', `${name}: a layout has no repository that a policy could cover`, {
      hint: 'Say with --mirror-of which repository the release comes from.',
    })
  const { tag } = reference
  const canonical = mirrorOf === undefined ? reference.repository : parseRepository(mirrorOf).repository
  const channel = flags.text('channel') ?? (tag !== undefined && isChannel(tag) ? tag : undefined)
  const version = flags.text('version') ?? (tag !== undefined && isVersion(tag) ? tag : undefined)
  return {
    // Policies of the place that is read from count as well, and a folder is no such place.
    repository: inLayout ? { ...reference, repository: canonical } : reference,
    canonical,
    digest,
    ranBefore: false,
    ...(channel === undefined ? {} : { channel: parseChannel(channel) }),
    ...(version === undefined ? {} : { version: parseVersion(version) }),
  }
}

/** Reads every environment the way the puller does, each object held against what the config lists. */
async function readEverything(release: Release, { source, reference, digest }: OpenRelease): Promise<Verdict> {
  const names = Object.keys(release.config.environments)
  let objects = 0
  for (const name of names) objects += (await fetchEnvironment(release, name, source)).objects.length
  const detail = `${counted(objects, 'object')} in ${counted(names.length, 'environment')} are what ${byDigest(reference, digest)} lists`
  return { check: 'content', ok: true, detail }
}
