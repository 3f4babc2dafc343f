import { canonicalJson } from '../contract/canonical-json.ts'
import { type Fault, WaybillError } from '../contract/errors.ts'
import type { Checkout } from './checkout.ts'
import { PACKAGE_FILE, type PackageFile } from './package-file.ts'
import { type Kustomize, kustomizeVersion, renderKustomize } from './render-kustomize.ts'
import { type RenderedPart, renderManifests } from './render-manifests.ts'
import { nameOf, type Rendered, type RenderedObject } from './rendered.ts'

/** The tools on this machine, and what is wrong with them for this package. */
export type Tools = { readonly versions: Readonly<Record<string, string>>; readonly faults: readonly Fault[] }

/** Looks at the tools that a package needs: another version than the pinned one is a fault. @throws WaybillError TOOL_MISSING */
export async function examineTools(packageFile: PackageFile, kustomize: Kustomize): Promise<Tools> {
  const needing = Object.entries(packageFile.environments).find(([, { kind }]) => kind === 'kustomize')
  if (needing === undefined) return { versions: {}, faults: [] }
  const pinned = packageFile.tools.kustomize
  const found = await kustomizeVersion(kustomize)
  if (found === pinned) return { versions: { kustomize: found }, faults: [] }
  const line = packageFile.lines[needing[0]]
  const message = `waybill.yaml pins kustomize ${pinned}, and this machine has ${found}`
  const place = line === undefined ? { file: PACKAGE_FILE } : { file: PACKAGE_FILE, line }
  return { versions: { kustomize: found }, faults: [{ code: 'TOOL_VERSION', message, ...place }] }
}

/** Renders every environment out of one checkout. What is wrong is collected, not thrown. */
export async function renderOnce(
  checkout: Checkout,
  packageFile: PackageFile,
  tools: Tools,
  kustomize: Kustomize,
): Promise<Rendered> {
  const environments: Record<string, readonly RenderedObject[]> = {}
  const faults: Fault[] = [...tools.faults]
  for (const [name, rendering] of Object.entries(packageFile.environments)) {
    if (rendering.kind === 'kustomize' && tools.faults.length > 0) continue
    const part: RenderedPart =
      rendering.kind === 'kustomize'
        ? await renderKustomize(checkout, name, rendering.path, kustomize)
        : await renderManifests(checkout, name, rendering.paths)
    environments[name] = part.objects
    faults.push(...part.faults)
  }
  return { environments, faults, tools: tools.versions }
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
