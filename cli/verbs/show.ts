import { parseConfig, parseManifest, type ReleaseConfig } from '../../contract/artifact/artifact.ts'
import { readLayer } from '../../contract/artifact/layer.ts'
import { objectName } from '../../contract/artifact/objects.ts'
import { parseDigest, shortDigest } from '../../contract/digest.ts'
import { WaybillError } from '../../contract/errors.ts'
import { LIMITS } from '../../contract/limits.ts'
import { type OpenedBundle, openBundle } from '../../contract/trust/bundle.ts'
import { PREDICATES, type StatementRole } from '../../contract/trust/statements.ts'
import { examples, registryFlags } from '../flags.ts'
import { printObjects } from '../objects.ts'
import { counted } from '../output.ts'
import { redactSecret } from '../redact.ts'
import { type OpenRelease, openRelease } from '../release-source.ts'
import type { Outcome, Verb } from '../verb.ts'

export const verb: Verb = {
  define: (command) => {
    command
      .argument('<reference>', 'repository or layout, with :tag or @sha256:…')
      .option('--env <name>', 'print the objects of this environment as YAML')
      .option('--show-secrets', 'print the values of Secrets too')
    registryFlags(command)
    examples(
      command,
      'waybill show registry.example.com/acme/shop:production',
      'waybill show registry.example.com/acme/shop:1.4.2 --env production',
      'waybill show ./packed',
    )
  },
  run: async ([text = ''], flags, context) => {
    await using opened = await openRelease(text, flags, context)
    const { source, reference, digest } = opened
    const manifest = parseManifest(await source.fetchManifest(reference, digest))
    const blob = (descriptor: { digest: string; size: number }, bytesMax: number) =>
      source.fetchBlob(reference, { digest: parseDigest(descriptor.digest), size: descriptor.size }, bytesMax)
    const config = parseConfig(await blob(manifest.config, LIMITS.configBytesMax))
    const environment = flags.text('env')
    if (environment === undefined) return overview(opened, config, await source.fetchBundles(reference, digest))
    if (!Object.hasOwn(config.environments, environment))
      throw new WaybillError('ENVIRONMENT_UNKNOWN', `${opened.name} has no environment ${environment}`, {
        hint: `It has ${Object.keys(config.environments).join(', ')}.`,
      })
    const layer = await blob(manifest.layers[0], LIMITS.layerBytesMax)
    const objects = (await readLayer(layer, config, environment)).map(({ object }) => object)
    return printObjects(flags.on('showSecrets') ? objects : objects.map(redactSecret))
  },
}

function overview(
  { name, digest }: OpenRelease,
  { package: pack, source, kubernetes, environments }: ReleaseConfig,
  bundles: readonly Uint8Array[],
): Outcome {
  const statements = bundles.map(sayStatement)
  const lines = [
    name,
    `Package:    ${pack.name}, of ${pack.repository}`,
    `Source:     ${source.repository} at ${source.revision}`,
    `Committed:  ${source.committedAt}`,
    `Kubernetes: ${kubernetes.version}`,
    ...Object.entries(environments).flatMap(([environment, { treeDigest, objects, images }]) => [
      '',
      `Environment ${environment}: ${counted(objects.length, 'object')}, ${shortDigest(treeDigest)}`,
      ...objects.map(({ apiVersion, kind, namespace = '', name }) => {
        const group = apiVersion.includes('/') ? apiVersion.slice(0, apiVersion.indexOf('/')) : ''
        return `  ${objectName({ group, kind, namespace, name })}`
      }),
      ...images.map((image) => `  image ${image}`),
    ]),
    '',
    statements.length === 0
      ? 'No statements: it is not signed.'
      : 'Statements (`waybill verify` checks them; this did not):',
    ...statements.map(({ role, says }) => `  ${role}${says === '' ? '' : `: ${says}`}`),
  ]
  return {
    data: { reference: name, digest, package: pack, source, kubernetes, environments, statements, verified: false },
    text: lines.join('\n'),
  }
}

function sayStatement(bytes: Uint8Array): {
  readonly role: string
  readonly says: string
  readonly predicate?: unknown
} {
  try {
    const { statement } = openBundle(bytes)
    const role = roles.find((each) => PREDICATES[each] === statement.predicateType)
    return { role: role ?? statement.predicateType, says: sayPredicate(statement), predicate: statement.predicate }
  } catch (error) {
    return { role: 'unreadable', says: error instanceof Error ? error.message : '' }
  }
}

const roles: readonly StatementRole[] = ['signature', 'provenance', 'release', 'promotion']

function sayPredicate({ predicateType, predicate }: OpenedBundle['statement']): string {
  if (predicateType === PREDICATES.release) return `version ${String(predicate.releaseId)}`
  if (predicateType === PREDICATES.promotion)
    return `channel ${String(predicate.channel)}, number ${String(predicate.sequence)}`
  return ''
}
