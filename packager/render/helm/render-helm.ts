import { join } from 'node:path'
import type { Fault } from '../../../contract/errors.ts'
import { LIMITS } from '../../../contract/limits.ts'
import type { Checkout } from '../../checkout.ts'
import { look, readBounded } from '../../disk.ts'
import type { HelmRelease } from '../../package-file.ts'
import { type ProcessRequest, runProcess } from '../../process.ts'
import { readYaml } from '../../yaml/yaml.ts'
import { isolated, type Renderer, versionIn } from '../isolated.ts'
import { objectsOf } from '../objects.ts'
import { type RenderedPart, readInput } from '../render-manifests.ts'
import type { RenderedObject } from '../rendered.ts'
import { type Chart, everyChart, fileOf, locate, parseChart } from './chart.ts'
import { readChart } from './chart-files.ts'
import { type Chunk, chunksOf } from './chunks.ts'
import { checkDependencies } from './dependencies.ts'
import { orderHooks } from './hook-order.ts'
import { findDroppedHooks, sortHooks } from './hooks.ts'
import { kept } from './keep.ts'
import { inNamespace } from './namespace.ts'
import { withSourceLines } from './source-lines.ts'
import { differences, findUnsteady, leavesToChance } from './steady.ts'
import { findRemoteSchemas } from './value-schemas.ts'
import { failureOf } from './words.ts'

/** What a chart may ask of the cluster. */
export type HelmCluster = { readonly version: string; readonly apiVersions: readonly string[] }

/** Where chance has a say, two renderings are easily the same: the keys of a mapping of two, every other time. */
const RENDERINGS_MORE = 4

/** The version that the binary says it is: `4.3.1`. @throws WaybillError TOOL_FAILED */
export async function helmVersion(helm: Renderer): Promise<string> {
  const { command } = helm
  const args = ['version', '--template', '{{.Version}}']
  const { stdout } = await runProcess({ command, args, env: isolated(helm), timeoutMs: 30_000 })
  return versionIn(stdout)
}

/**
 * The objects of a chart: `helm template` in a child process with an empty PATH and home, so that it finds no
 * repositories, plug-ins and cluster, after the chart was read and all of it found to be of the commit. Objects come with the template that
 * they are of, and lines near to where they came from.
 */
export async function renderHelm(
  checkout: Checkout,
  environment: string,
  release: HelmRelease,
  cluster: HelmCluster,
  helm: Renderer,
): Promise<RenderedPart> {
  const input = await gather(checkout, environment, release)
  if (input.chart === undefined || input.faults.length > 0) return { objects: [], faults: input.faults }
  const { chart, paths } = input
  const { command, emptyDir } = helm
  const request = { command, args: argumentsOf(release, cluster, paths), cwd: emptyDir, env: isolated(helm) }
  const { code, stdout, stderr } = await runProcess(request)
  if (code !== 0) return { objects: [], faults: [failureOf(stderr, chart, environment)] }
  const dropped = findDroppedHooks(stderr).map((message): Fault => {
    return { code: 'HOOK_UNSUPPORTED', message, file: fileOf(chart, 'Chart.yaml'), environment }
  })
  const output = Buffer.from(stdout).toString('utf8')
  const chance = await findChance(request, output, chart, environment)
  const parts = chunksOf(output).map((chunk) => readChunk(chunk, chart, environment))
  const all = inNamespace(
    parts.flatMap((part) => part.objects),
    release.namespace,
  )
  const { objects, hooks, warnings } = sortHooks(all)
  const ordered = orderHooks(hooks, objects)
  return {
    objects: [...objects, ...ordered.objects].map(kept),
    faults: [...parts.flatMap((part) => part.faults), ...ordered.faults, ...dropped, ...chance],
    warnings,
  }
}

/** Renders a few times more where chance could have a say, and finds the templates that it had one in. */
async function findChance(
  request: ProcessRequest,
  before: string,
  chart: Chart,
  environment: string,
): Promise<readonly Fault[]> {
  // Hooks that are left out often have random names.
  const isDelivered = (chunk: Chunk) => {
    const { objects, hooks } = sortHooks(readChunk(chunk, chart, environment).objects)
    return objects.length + hooks.length > 0
  }
  const faults = new Map<string, Fault>()
  for (let i = 0; i < RENDERINGS_MORE && leavesToChance(chart); i++) {
    const again = Buffer.from((await runProcess(request)).stdout).toString('utf8')
    for (const fault of differences(before, again, chart, isDelivered))
      faults.set(fault.message, { ...fault, environment })
  }
  return [...faults.values()]
}

type Paths = { readonly chart: string; readonly values: readonly string[] }
type Input = { readonly chart?: Chart; readonly paths: Paths; readonly faults: readonly Fault[] }

/** Reads all that helm will read, and finds what is not of the commit, not pinned, or not steady. */
async function gather(checkout: Checkout, environment: string, release: HelmRelease): Promise<Input> {
  const found = await readChart(checkout, environment, release.chart)
  const faults: Fault[] = [...found.faults]
  const values = new Map<string, Buffer>()
  const paths: string[] = []
  for (const file of release.values) {
    const read = await readInput(checkout, environment, file, 'helm')
    faults.push(...read.faults)
    const at = await look(join(checkout.root, file))
    if (read.faults.length > 0 || at === undefined) continue
    values.set(file, await readBounded(at.real, LIMITS.manifestFileBytesMax))
    paths.push(at.real)
  }
  if (found.chart === undefined) return { paths: { chart: '', values: paths }, faults }
  const { files, packed, real } = found.chart
  const chart = await parseChart(files, release.chart, packed)
  const own = [
    ...everyChart(chart).flatMap((each) => each.faults),
    ...checkDependencies(chart),
    ...findUnsteady(chart, values),
    ...findRemoteSchemas(chart),
  ]
  return {
    chart,
    paths: { chart: real, values: paths },
    faults: [...faults, ...own.map((one) => ({ ...one, environment }))],
  }
}

function argumentsOf(
  { release, namespace }: HelmRelease,
  cluster: HelmCluster,
  { chart, values }: Paths,
): readonly string[] {
  return [
    'template',
    ...[release, chart, `--namespace=${namespace}`, '--include-crds', `--kube-version=${cluster.version}`],
    ...cluster.apiVersions.map((version) => `--api-versions=${version}`),
    // helm reads a list, with commas between and quotes around.
    ...values.map((file) => `--values="${file.replaceAll('"', '""')}"`),
  ]
}

function readChunk({ source, text }: Chunk, chart: Chart, environment: string): RenderedPart {
  const found = locate(chart, source)
  const file = found === undefined ? fileOf(chart, 'Chart.yaml') : fileOf(found.chart, found.name)
  const template = found === undefined || found.chart.packed ? undefined : found.chart.files.get(found.name)
  const read = readYaml(file, Buffer.from(text), 'helm')
  const { objects, faults } = objectsOf(environment, file, read.documents)
  const placed = objects.map((rendered): RenderedObject => {
    const { document, path } = rendered.origin
    if (template === undefined || document === undefined) return { ...rendered, origin: { file, path } }
    return { ...rendered, origin: { file, path, document: withSourceLines(document, text, template.toString('utf8')) } }
  })
  // Lines of what was rendered mean nothing to anybody.
  const unplaced = [...read.faults, ...faults].map(({ line: _line, ...fault }): Fault => ({ ...fault, environment }))
  return { objects: placed, faults: unplaced }
}
