import { groupOf } from '../../contract/artifact/objects.ts'
import type { Fault } from '../../contract/errors.ts'
import type { Checkout } from '../checkout.ts'
import { runProcess } from '../process.ts'
import { readYaml } from '../yaml/yaml.ts'
import { isolated, type Renderer, versionIn } from './isolated.ts'
import { type KustomizeSources, scanKustomize } from './kustomize-sources.ts'
import { repeats } from './kustomize-words.ts'
import { objectsOf } from './objects.ts'
import type { RenderedPart } from './render-manifests.ts'
import type { Origin, RenderedObject } from './rendered.ts'

/** The version that the binary says it is: `5.8.2`. @throws WaybillError TOOL_FAILED */
export async function kustomizeVersion(kustomize: Renderer): Promise<string> {
  const { command } = kustomize
  const { stdout } = await runProcess({ command, args: ['version'], env: isolated(kustomize), timeoutMs: 30_000 })
  return versionIn(stdout)
}

/**
 * The objects of an overlay: `kustomize build` in a child process with an empty PATH and home, so that it can start no Git, no Helm and no
 * plug-in, and with proxies that nobody answers at, after its sources were followed and found to be of the commit.
 */
export async function renderKustomize(
  checkout: Checkout,
  environment: string,
  path: string,
  kustomize: Renderer,
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
