import { canonicalJson } from '../../contract/canonical-json.ts'
import { type Fault, WaybillError } from '../../contract/errors.ts'
import type { Checkout } from '../checkout.ts'
import { type PackageFile, type Rendering, TOOLS, type ToolName } from '../package-file.ts'
import type { Env } from '../process.ts'
import { helmVersion, renderHelm } from './helm/render-helm.ts'
import { findRenderer, type Renderer } from './isolated.ts'
import { plainHooks } from './plain-hooks.ts'
import { kustomizeVersion, renderKustomize } from './render-kustomize.ts'
import { type RenderedPart, renderManifests } from './render-manifests.ts'
import { nameOf, type Rendered, type RenderedObject } from './rendered.ts'

/** The tools on this machine, and what is wrong with them for this package. */
export type Tools = {
  /** Only those that are there, and of the version that is pinned. */
  readonly renderers: Partial<Renderers>
  readonly versions: Readonly<Record<string, string>>
  readonly faults: readonly Fault[]
}

/** The tools that an environment is rendered by. */
export type Renderers = Readonly<Record<ToolName, Renderer>>

const VERSION_OF = { kustomize: kustomizeVersion, helm: helmVersion }

/** Finds the tools that a package needs, and no others. @throws WaybillError TOOL_MISSING */
export async function findTools(packageFile: PackageFile, env: Env, emptyDir: string): Promise<Partial<Renderers>> {
  const needed = new Set(Object.values(packageFile.environments).map(({ kind }) => kind))
  const found: Partial<Record<ToolName, Renderer>> = {}
  for (const tool of TOOLS) if (needed.has(tool)) found[tool] = await findRenderer(tool, env, emptyDir)
  return found
}

/** Looks at the tools that a package needs: another version than the pinned one is a fault. @throws WaybillError TOOL_FAILED */
export async function examineTools(packageFile: PackageFile, found: Partial<Renderers>): Promise<Tools> {
  const renderers: Partial<Record<ToolName, Renderer>> = {}
  const versions: Record<string, string> = {}
  const faults: Fault[] = []
  for (const tool of TOOLS) {
    const renderer = found[tool]
    if (renderer === undefined) continue
    const version = await VERSION_OF[tool](renderer)
    const pinned = packageFile.tools[tool]
    versions[tool] = version
    if (version === pinned) renderers[tool] = renderer
    else {
      const message = `waybill.yaml pins ${tool} ${pinned}, and this machine has ${version}`
      faults.push({ code: 'TOOL_VERSION', message, file: packageFile.file, line: packageFile.toolLines[tool] })
    }
  }
  return { renderers, versions, faults }
}

/** Renders every environment out of one checkout. What is wrong is collected, not thrown. */
export async function renderOnce(checkout: Checkout, packageFile: PackageFile, tools: Tools): Promise<Rendered> {
  const environments: Record<string, readonly RenderedObject[]> = {}
  const faults: Fault[] = [...tools.faults]
  const warnings: Fault[] = []
  for (const [name, rendering] of Object.entries(packageFile.environments)) {
    const part = await renderEnvironment(checkout, name, packageFile, rendering, tools.renderers)
    if (part === undefined) continue
    environments[name] = part.objects
    faults.push(...part.faults)
    warnings.push(...(part.warnings ?? []), ...(rendering.kind === 'helm' ? [] : plainHooks(part.objects)))
  }
  const schemas = await renderManifests(checkout, '', packageFile.schemas, packageFile.file)
  faults.push(...schemas.faults.map(({ environment: _none, ...fault }) => fault))
  const policies = await renderManifests(checkout, '', packageFile.policies, packageFile.file)
  faults.push(...policies.faults.map(({ environment: _none, ...fault }) => fault))
  const declared = packageFile.policies.length === 0 ? {} : { policies: policies.objects }
  return { environments, faults, warnings, schemas: schemas.objects, ...declared, tools: tools.versions }
}

async function renderEnvironment(
  checkout: Checkout,
  name: string,
  packageFile: PackageFile,
  rendering: Rendering,
  { kustomize, helm }: Partial<Renderers>,
): Promise<RenderedPart | undefined> {
  switch (rendering.kind) {
    case 'manifests':
      return renderManifests(checkout, name, rendering.paths, packageFile.file)
    case 'kustomize':
      return kustomize === undefined ? undefined : renderKustomize(checkout, name, rendering.path, kustomize)
    case 'helm': {
      const cluster = { version: packageFile.kubernetesVersion, apiVersions: packageFile.apiVersions }
      return helm === undefined ? undefined : renderHelm(checkout, name, rendering, cluster, helm)
    }
  }
}

/** @throws WaybillError RENDER_UNSTABLE naming the first object that two renderings of one commit do not share */
export function assertSame(first: Rendered, second: Rendered): void {
  for (const [name, objects] of Object.entries(first.environments)) {
    const others = second.environments[name] ?? []
    for (let i = 0; i < Math.max(objects.length, others.length); i++) {
      const [one, other] = [objects[i], others[i]]
      if (one !== undefined && other !== undefined && canonicalJson(one.object) === canonicalJson(other.object))
        continue
      const found = one ?? other
      throw new WaybillError(
        'RENDER_UNSTABLE',
        `environment ${name}: ${found === undefined ? 'an object' : nameOf(found.object)} (${found?.origin.file}) came out differently the second time`,
      )
    }
  }
}
