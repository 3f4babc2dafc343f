import type { Fault } from '../contract/errors.ts'
import { WaybillError } from '../contract/errors.ts'
import { groupOf } from '../contract/objects.ts'
import type { Checkout } from './checkout.ts'
import { type KustomizeSources, scanKustomize } from './kustomize-sources.ts'
import { objectsOf } from './objects.ts'
import { cleanEnvironment, type Env, runProcess } from './process.ts'
import type { RenderedPart } from './render-manifests.ts'
import type { Origin, RenderedObject } from './rendered.ts'
import { readYaml } from './yaml.ts'

/** The kustomize that runs: a path or a name, and a folder of its own that has nothing in it. */
export type Kustomize = { readonly command: string; readonly emptyDir: string; readonly env: Env }

/** The version that the binary says it is: `5.8.2`. @throws WaybillError TOOL_MISSING, TOOL_FAILED */
export async function kustomizeVersion({ command, emptyDir, env }: Kustomize): Promise<string> {
  const result = await runTool({ command, args: ['version'], env: cleanEnvironment(env, emptyDir), timeoutMs: 30_000 })
  const text = Buffer.from(result.stdout).toString('utf8').trim()
  return /v?(\d+\.\d+\.\d+[0-9A-Za-z.-]*)/.exec(text)?.[1] ?? (text.slice(0, 40) || 'unknown')
}

async function runTool(request: Parameters<typeof runProcess>[0]) {
  try {
    return await runProcess(request)
  } catch (cause) {
    if (!(cause instanceof WaybillError) || cause.code !== 'TOOL_MISSING') throw cause
    throw new WaybillError('TOOL_MISSING', cause.message, {
      cause,
      hint: 'Install kustomize in the version that waybill.yaml pins, or name the program with WAYBILL_KUSTOMIZE.',
    })
  }
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
  const nowhere = 'http://127.0.0.1:1'
  const { code, stdout, stderr } = await runTool({
    command: kustomize.command,
    args: ['build', path],
    cwd: checkout.root,
    env: {
      ...cleanEnvironment({ PATH: kustomize.emptyDir }, kustomize.emptyDir),
      HTTP_PROXY: nowhere,
      HTTPS_PROXY: nowhere,
      ALL_PROXY: nowhere,
    },
  })
  if (code !== 0) return { objects: [], faults: [failure(environment, sources, stderr, checkout.root)] }
  const output = readYaml(sources.file, stdout)
  const { objects, faults } = objectsOf(environment, sources.file, output.documents)
  const placed = objects.map((object) => ({ ...object, origin: originOf(object, sources) }))
  // Lines of the output mean nothing to anybody.
  const unplaced = [...output.faults, ...faults].map(({ line: _line, ...fault }): Fault => ({ ...fault, environment }))
  return { objects: placed, faults: [...sources.faults, ...unplaced] }
}

function failure(environment: string, { file, secrets }: KustomizeSources, stderr: string, root: string): Fault {
  const words = secrets
    .filter((secret) => secret.length > 3)
    .reduce(
      (text, secret) => text.replaceAll(secret, '<hidden>'),
      stderr.replaceAll(`${root}/`, '').replaceAll(root, '.'),
    )
  return { code: 'RENDER_FAILED', message: `kustomize: ${words.trim().slice(0, 2000)}`, file, environment }
}

/** Where an object of the output stands in the sources: the same kind and name, or the longest name that a prefix or suffix was put to. */
function originOf({ object }: RenderedObject, sources: KustomizeSources): Origin {
  const name = nameIn(object)
  const kind = kindIn(object)
  const [best] = sources.objects
    .filter(
      (source) =>
        kindIn(source.object) === kind && nameIn(source.object) !== '' && name.includes(nameIn(source.object)),
    )
    .sort((a, b) => nameIn(b.object).length - nameIn(a.object).length)
  return best?.origin ?? { file: sources.file, path: [] }
}

function nameIn(object: RenderedObject['object']): string {
  const { metadata } = object
  const name = typeof metadata === 'object' && metadata !== null && 'name' in metadata ? metadata.name : ''
  return typeof name === 'string' ? name : ''
}

function kindIn({ apiVersion, kind }: RenderedObject['object']): string {
  return `${typeof apiVersion === 'string' ? groupOf(apiVersion) : ''}/${String(kind)}`
}
