import { groupOf } from '../../contract/artifact/objects.ts'
import { type Fault, WaybillError } from '../../contract/errors.ts'
import type { Checkout } from '../checkout.ts'
import { cleanEnvironment, type Env, findProgram, runProcess } from '../process.ts'
import { readYaml } from '../yaml/yaml.ts'
import { type KustomizeSources, scanKustomize } from './kustomize-sources.ts'
import { repeats } from './kustomize-words.ts'
import { objectsOf } from './objects.ts'
import type { RenderedPart } from './render-manifests.ts'
import type { Origin, RenderedObject } from './rendered.ts'

/** The kustomize that runs: an absolute path, and a folder of its own that has nothing in it. */
export type Kustomize = { readonly command: string; readonly emptyDir: string }

/** Finds the program that WAYBILL_KUSTOMIZE names, or else `kustomize` on the PATH. @throws WaybillError TOOL_MISSING */
export async function findKustomize(env: Env, emptyDir: string): Promise<Kustomize> {
  try {
    return { command: await findProgram(env.WAYBILL_KUSTOMIZE || 'kustomize', env), emptyDir }
  } catch (cause) {
    const hint = 'Install kustomize in the version that waybill.yaml pins, or name the program with WAYBILL_KUSTOMIZE.'
    throw new WaybillError('TOOL_MISSING', cause instanceof Error ? cause.message : 'kustomize', { cause, hint })
  }
}

/** The version that the binary says it is: `5.8.2`. @throws WaybillError TOOL_FAILED */
export async function kustomizeVersion(kustomize: Kustomize): Promise<string> {
  const env = isolated(kustomize)
  const result = await runProcess({ command: kustomize.command, args: ['version'], env, timeoutMs: 30_000 })
  const text = Buffer.from(result.stdout).toString('utf8').trim()
  return /v?(\d+\.\d+\.\d+[0-9A-Za-z.-]*)/.exec(text)?.[1] ?? (text.slice(0, 40) || 'unknown')
}

/** An environment in which nothing can be started, and no address answers but those of this machine. */
function isolated({ emptyDir }: Kustomize): Env {
  const nowhere = 'http://127.0.0.1:1'
  const proxies = { HTTP_PROXY: nowhere, HTTPS_PROXY: nowhere, ALL_PROXY: nowhere }
  return { ...cleanEnvironment({ PATH: emptyDir }, emptyDir), ...proxies }
}

/**
 * The objects of an overlay: `kustomize build` in a child process with an empty PATH and home, so that it can start no Git, no Helm and no
 * plug-in, and with proxies that nobody answers at, after its sources were followed and found to be of the commit.
 */
export async function renderKustomize(
  checkout: Checkout,
  environment: string,
  path: string,
  kustomize: Kustomize,
): Promise<RenderedPart> {
  const sources = await scanKustomize(checkout, environment, path)
  if (!sources.complete) return { objects: [], faults: sources.faults }
  const { code, stdout, stderr } = await runProcess({
    command: kustomize.command,
    args: ['build', path],
    cwd: checkout.root,
    env: isolated(kustomize),
  })
  if (code !== 0) return { objects: [], faults: [failure(environment, sources, stderr, checkout.root)] }
  const output = readYaml(sources.file, stdout)
  const { objects, faults } = objectsOf(environment, sources.file, output.documents)
  const sought = indexSources(sources)
  const placed = objects.map((object) => ({ ...object, origin: originOf(object, sought, sources.file) }))
  // Lines of the output mean nothing to anybody.
  const unplaced = [...output.faults, ...faults].map(({ line: _line, ...fault }): Fault => ({ ...fault, environment }))
  return { objects: placed, faults: [...sources.faults, ...unplaced] }
}

/** kustomize's own words, unless they repeat what may be a secret: it quotes patches and literals as they stand in the files. */
function failure(environment: string, { file, secrets }: KustomizeSources, stderr: string, root: string): Fault {
  const words = stderr.replaceAll(`${root}/`, '').replaceAll(root, '.').trim()
  const message = repeats(words, secrets)
    ? 'kustomize fails on a patch, generator or value; its words repeat the files, so they are not shown: run `kustomize build` there to see them'
    : `kustomize: ${words.slice(0, 2000)}`
  return { code: 'RENDER_FAILED', message, file, environment }
}

type Sought = ReadonlyMap<string, readonly RenderedObject[]>

/** The sources by group and kind, longest names first. */
function indexSources({ objects }: KustomizeSources): Sought {
  const named = objects.filter(({ object }) => nameIn({ object }) !== '')
  return Map.groupBy(
    named.toSorted((a, b) => nameIn(b).length - nameIn(a).length),
    ({ object }) => kindIn(object),
  )
}

/** Where an object of the output stands in the sources: the same kind and name, or the longest name that a prefix or suffix was put to. */
function originOf(rendered: RenderedObject, sources: Sought, file: string): Origin {
  const name = nameIn(rendered)
  const candidates = sources.get(kindIn(rendered.object)) ?? []
  const best =
    candidates.find((source) => nameIn(source) === name) ?? candidates.find((source) => name.includes(nameIn(source)))
  return best?.origin ?? { file, path: [] }
}

function nameIn({ object: { metadata } }: Pick<RenderedObject, 'object'>): string {
  const name = typeof metadata === 'object' && metadata !== null && 'name' in metadata ? metadata.name : ''
  return typeof name === 'string' ? name : ''
}

function kindIn({ apiVersion, kind }: RenderedObject['object']): string {
  return `${typeof apiVersion === 'string' ? groupOf(apiVersion) : ''}/${String(kind)}`
}
