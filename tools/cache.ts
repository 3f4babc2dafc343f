import { createHash } from 'node:crypto'
import { accessSync, constants, existsSync, readdirSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { linkerFlags, moduleDirectory, RECIPES, type Recipe, type ToolName } from './recipes.ts'

/** The part of an environment that says where things are. */
export type Environment = Readonly<Record<string, string | undefined>>

/** Where built tools live, outside the repository: WAYBILL_CACHE, else waybill in XDG_CACHE_HOME or ~/.cache. */
export function toolsCache(env: Environment): string {
  const base = env.WAYBILL_CACHE ?? join(env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'waybill')
  return join(base, 'tools')
}

/** Where a tool is once it is built. The folder's name is a hash of all that goes into it, so that a stale one is never run. */
export function cachedToolPath(name: ToolName, env: Environment): string {
  return join(toolsCache(env), recipeHash(RECIPES[name]), name)
}

/** Where a tool is now, or undefined when it must be built. KUBEBUILDER_ASSETS comes first for what it may hold. */
export function findTool(name: ToolName, env: Environment): string | undefined {
  const assets = RECIPES[name].kubebuilder ? env.KUBEBUILDER_ASSETS : undefined
  const candidates = [...(assets ? [join(assets, name)] : []), cachedToolPath(name, env)]
  return candidates.find(isExecutable)
}

function recipeHash(recipe: Recipe): string {
  const directory = moduleDirectory(recipe)
  const sources = readdirSync(directory).filter((file) => /^go\.(mod|sum)$|\.go$/.test(file))
  const hash = createHash('sha256')
  hash.update(JSON.stringify([process.platform, process.arch, recipe.package, linkerFlags(recipe)]))
  for (const file of sources.sort()) hash.update(`\n${file}\n`).update(readFileSync(join(directory, file)))
  return hash.digest('hex').slice(0, 16)
}

function isExecutable(path: string): boolean {
  if (!existsSync(path)) return false
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
