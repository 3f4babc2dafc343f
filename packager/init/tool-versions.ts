import { hasCode } from '../../contract/errors.ts'
import { TOOLS, type ToolName } from '../package-file.ts'
import type { Env } from '../process.ts'
import { helmVersion } from '../render/helm/render-helm.ts'
import { findRenderer } from '../render/isolated.ts'
import { kustomizeVersion } from '../render/render-kustomize.ts'
import type { PackageDraft } from './write-package-file.ts'

/** Of the tools, where a machine has none: the newest that Waybill is tested with. */
const TOOL_VERSIONS = { kustomize: '5.8.2', helm: '4.3.1' }
const VERSION_OF = { kustomize: kustomizeVersion, helm: helmVersion }

/** The tools among `kinds`, each in the version on this machine where there is one. `emptyDir` is a folder with nothing in it. */
export async function findToolVersions(
  kinds: readonly string[],
  env: Env,
  emptyDir: string,
): Promise<PackageDraft['tools']> {
  const tools: Partial<Record<ToolName, { readonly version: string; readonly found: boolean }>> = {}
  for (const tool of TOOLS) {
    if (!kinds.includes(tool)) continue
    const version = await versionOf(tool, env, emptyDir)
    tools[tool] = { version: version ?? TOOL_VERSIONS[tool], found: version !== undefined }
  }
  return tools
}

async function versionOf(tool: ToolName, env: Env, emptyDir: string): Promise<string | undefined> {
  try {
    const version = await VERSION_OF[tool](await findRenderer(tool, env, emptyDir))
    return /^\d+\.\d+\.\d+/.test(version) ? version : undefined
  } catch (error) {
    if (hasCode(error, 'TOOL_MISSING', 'TOOL_FAILED')) return undefined
    throw error
  }
}
