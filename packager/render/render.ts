import { canonicalJson } from '../../contract/canonical-json.ts'
import { type Fault, WaybillError } from '../../contract/errors.ts'
import type { Checkout } from '../checkout.ts'
import { PACKAGE_FILE, type PackageFile, type Rendering } from '../package-file.ts'
import { type Kustomize, kustomizeVersion, renderKustomize } from './render-kustomize.ts'
import { type RenderedPart, renderManifests } from './render-manifests.ts'
import { nameOf, type Rendered, type RenderedObject } from './rendered.ts'

/** The tools on this machine, and what is wrong with them for this package. */
export type Tools = {
  /** Only where it is there, and of the version that is pinned. */
  readonly kustomize?: Kustomize
  readonly versions: Readonly<Record<string, string>>
  readonly faults: readonly Fault[]
}

/**
 * Looks at the tools that a package needs: another version than the pinned one is a fault. `kustomize` is undefined where no
 * environment needs it.
 * @throws WaybillError TOOL_FAILED
 */
export async function examineTools(packageFile: PackageFile, kustomize: Kustomize | undefined): Promise<Tools> {
  if (kustomize === undefined) return { versions: {}, faults: [] }
  const pinned = packageFile.tools.kustomize
  const found = await kustomizeVersion(kustomize)
  if (found === pinned) return { kustomize, versions: { kustomize: found }, faults: [] }
  const message = `waybill.yaml pins kustomize ${pinned}, and this machine has ${found}`
  const place = { file: PACKAGE_FILE, line: packageFile.toolsLine }
  return { versions: { kustomize: found }, faults: [{ code: 'TOOL_VERSION', message, ...place }] }
}

/** True where an environment is rendered by kustomize. */
export function needsKustomize({ environments }: PackageFile): boolean {
  return Object.values(environments).some(({ kind }) => kind === 'kustomize')
}

/** Renders every environment out of one checkout. What is wrong is collected, not thrown. */
export async function renderOnce(checkout: Checkout, packageFile: PackageFile, tools: Tools): Promise<Rendered> {
  const environments: Record<string, readonly RenderedObject[]> = {}
  const faults: Fault[] = [...tools.faults]
  for (const [name, rendering] of Object.entries(packageFile.environments)) {
    const part = await renderEnvironment(checkout, name, rendering, tools)
    if (part === undefined) continue
    environments[name] = part.objects
    faults.push(...part.faults)
  }
  const schemas = await renderManifests(checkout, '', packageFile.schemas)
  faults.push(...schemas.faults.map(({ environment: _none, ...fault }) => fault))
  return { environments, faults, schemas: schemas.objects, tools: tools.versions }
}

async function renderEnvironment(
  checkout: Checkout,
  name: string,
  rendering: Rendering,
  { kustomize }: Tools,
): Promise<RenderedPart | undefined> {
  if (rendering.kind === 'manifests') return renderManifests(checkout, name, rendering.paths)
  return kustomize === undefined ? undefined : renderKustomize(checkout, name, rendering.path, kustomize)
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
