import { createTwoFilesPatch } from 'diff'
import { parseConfig, parseManifest } from '../../contract/artifact/artifact.ts'
import { readLayer } from '../../contract/artifact/layer.ts'
import { isKubeObject, type KubeObject, objectId, objectName, objectPath } from '../../contract/artifact/objects.ts'
import { parseDigest } from '../../contract/digest.ts'
import { WaybillError } from '../../contract/errors.ts'
import { LIMITS } from '../../contract/limits.ts'
import { answerError } from '../../puller/cluster/answer-error.ts'
import type { Cluster } from '../../puller/cluster/cluster-port.ts'
import { objectUrl } from '../../puller/cluster/resources.ts'
import { adoptDrift, type PatchOperation } from '../../puller/drift/adopt-drift.ts'
import { openDrift } from '../../puller/drift/left-drift.ts'
import { type Change, type Delivery, recordSpecSchema } from '../../puller/kinds.ts'
import { parseDelivery } from '../../puller/observe.ts'
import { listRecords } from '../../puller/records/record.ts'
import { environmentOf } from '../../puller/source/resolve.ts'
import { openCluster, readDelivery } from '../cluster.ts'
import { clusterFlags, examples, type Flags, namespaceFlag, registryFlags } from '../flags.ts'
import { printObjects } from '../objects.ts'
import { openRelease } from '../release-source.ts'
import type { Context, Verb } from '../verb.ts'

export const verb: Verb = {
  define: (command) => {
    command.argument('<name>', 'the Delivery')
    registryFlags(clusterFlags(namespaceFlag(command)))
    examples(
      command,
      'waybill adopt-drift shop -n shop                 # a diff of YAML, to bring back to Git by hand',
      'waybill adopt-drift shop -n shop --output json   # the same as JSON patches',
    )
  },
  run: async ([name = ''], flags, context) => {
    await using opened = await openCluster(flags, context)
    const { cluster, namespace } = opened
    const delivery = parseDelivery(await readDelivery(cluster, namespace, name))
    const drifted = await driftOf(cluster, delivery)
    const { digest } = delivery.status.applied ?? {}
    if (drifted.length === 0 || digest === undefined)
      return { data: { objects: [] }, text: `${namespace}/${name}: no drift is left as it is.` }
    const declared = await declaredObjects(delivery, digest, flags, context)
    const found: Adopted[] = []
    for (const change of drifted) found.push(await adoptOne(cluster, change, declared.get(change.object)))
    return {
      data: { delivery: `${namespace}/${name}`, digest, objects: found.map(({ text: _, ...one }) => one) },
      text: found.map(({ text }) => text).join('\n'),
    }
  },
}

/** What the records say began and has not ended; what a comparison with `sync: observe` found is in the status alone. */
async function driftOf(cluster: Cluster, delivery: Delivery): Promise<readonly Change[]> {
  const records = (await listRecords(cluster, delivery)).flatMap(({ spec }) => {
    const parsed = recordSpecSchema.safeParse(spec)
    return parsed.success ? [parsed.data] : []
  })
  const open = new Map([...openDrift(records)].map(([object, { change }]) => [object, change]))
  if (delivery.spec.sync === 'observe')
    for (const { object, action = 'configure', fields } of delivery.status.drift?.listed ?? [])
      if (!open.has(object)) open.set(object, { action, object, fields })
  return [...open.values()].sort((a, b) => (a.object < b.object ? -1 : 1))
}

/** By `objectName`, in the namespace that they are delivered to. */
async function declaredObjects(
  { spec, namespace }: Delivery,
  digest: string,
  flags: Flags,
  context: Context,
): Promise<ReadonlyMap<string, KubeObject>> {
  await using opened = await openRelease(`${spec.source.repository}@${digest}`, flags, context)
  const { source, reference } = opened
  const manifest = parseManifest(await source.fetchManifest(reference, opened.digest))
  const blob = (descriptor: { digest: string; size: number }, bytesMax: number) =>
    source.fetchBlob(reference, { digest: parseDigest(descriptor.digest), size: descriptor.size }, bytesMax)
  const config = parseConfig(await blob(manifest.config, LIMITS.configBytesMax))
  const layer = await blob(manifest.layers[0], LIMITS.layerBytesMax)
  const objects = (await readLayer(layer, config, environmentOf(spec))).map(({ object }) => object)
  return new Map(
    objects.flatMap((object) => {
      const id = objectId(object)
      const placed = { ...id, namespace: id.namespace === '' ? namespace : id.namespace }
      return [[objectName(id), object] as const, [objectName(placed), object] as const]
    }),
  )
}

type Adopted = {
  readonly object: string
  readonly action: 'change' | 'delete' | 'look'
  readonly fields: readonly string[]
  readonly patch: readonly PatchOperation[]
  /** Fields that this could not take over. */
  readonly unclear: readonly string[]
  readonly text: string
}

async function adoptOne(cluster: Cluster, change: Change, declared: KubeObject | undefined): Promise<Adopted> {
  const { object, action, fields = [] } = change
  const about = { object, fields, patch: [], unclear: [] }
  if (declared === undefined)
    return { ...about, action: 'look', unclear: fields, text: `# ${object}: the release that runs does not hold it\n` }
  if (declared.kind === 'Secret' && action !== 'create')
    return { ...about, action: 'look', text: `# ${object}: ${fields.join(', ')}: values of Secrets are not shown\n` }
  if (action === 'create') return { ...about, action: 'delete', text: deletionText(object, declared) }
  const live = await readLive(cluster, change, declared)
  if (live === undefined) return { ...about, action: 'delete', text: deletionText(object, declared) }
  const { object: adopted, patch, unclear } = adoptDrift(declared, live, fields)
  const notes = unclear.map((field) => `# ${object}: ${field}: to be looked at by hand\n`)
  return { ...about, action: 'change', patch, unclear, text: `${notes.join('')}${diffText(declared, adopted)}` }
}

function deletionText(object: string, declared: KubeObject): string {
  return `# ${object} was deleted; to adopt that, delete ${fileOf(declared)} from what is rendered\n`
}

/** As the person at the keyboard. @throws WaybillError CLUSTER_FORBIDDEN, CLUSTER_FAILED */
async function readLive(cluster: Cluster, { object }: Change, declared: KubeObject): Promise<KubeObject | undefined> {
  const resource = await cluster.resource(declared.apiVersion, declared.kind)
  if (resource === undefined)
    throw new WaybillError('CLUSTER_FAILED', `the cluster does not know ${declared.apiVersion} ${declared.kind}`)
  // The name for people ends in `namespace/name`, or in the name alone.
  const at = object.slice(object.indexOf(' ') + 1)
  const [namespace = '', name = ''] = at.includes('/') ? at.split('/') : ['', at]
  const answer = await cluster.request('puller', { method: 'GET', path: objectUrl(resource, { namespace, name }) })
  if (answer.status === 404) return undefined
  if (answer.status !== 200 || !isKubeObject(answer.body)) throw answerError(object, answer)
  return answer.body
}

function diffText(declared: KubeObject, adopted: KubeObject): string {
  const [before, after] = [declared, adopted].map((object) => printObjects([object]).text)
  const file = fileOf(declared)
  return createTwoFilesPatch(`a/${file}`, `b/${file}`, before ?? '', after ?? '', undefined, undefined, { context: 3 })
}

function fileOf(object: KubeObject): string {
  return objectPath(objectId(object)).replace(/json$/, 'yaml')
}
