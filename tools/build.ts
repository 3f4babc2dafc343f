import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { access, constants, mkdir, rename, rm } from 'node:fs/promises'
import { basename, delimiter, dirname, join } from 'node:path'
import { WaybillError } from '../contract/errors.ts'
import { cachedToolPath, type Environment, findTool, toolsCache } from './cache.ts'
import { goBuild, requireGo } from './go.ts'
import { withLock } from './lock.ts'
import { type Progress, progressOn, silent } from './progress.ts'
import { linkerFlags, moduleDirectory, parseToolNames, RECIPES, TOOL_NAMES, type ToolName } from './recipes.ts'

export { TOOL_NAMES, type ToolName } from './recipes.ts'

/** Absolute paths of executables, by tool. */
export type Tools<Name extends ToolName = ToolName> = Readonly<Record<Name, string>>

/** How tools are found and built: what is told on the way, and the environment that names the cache. */
export type ToolOptions = { readonly progress?: Progress; readonly env?: Environment }

/**
 * The paths of the tools that `names` name. What KUBEBUILDER_ASSETS or the cache does not hold is built with Go, one
 * after another (the linker takes gigabytes), and stays in the cache. Safe to call from several processes at once.
 * Throws TOOL_MISSING when Go is needed and absent or too old, and TOOL_FAILED when a build fails.
 */
export async function ensureTools<Name extends ToolName>(
  names: readonly Name[],
  { progress = silent, env = process.env }: ToolOptions = {},
): Promise<Tools<Name>> {
  const missing = parseToolNames(names).filter((name) => findTool(name, env) === undefined)
  if (missing.length > 0) await buildTools(missing, progress, env)
  const paths = names.map((name) => [name, findTool(name, env)] as const)
  return parseTools(paths)
}

/** A PATH that has the folders of `tools` before `path`. Folders hold nothing but our tools. */
export function pathWith(tools: Partial<Tools>, path = process.env.PATH ?? ''): string {
  const folders = new Set(Object.values(tools).map((tool) => dirname(tool)))
  return [...folders, path].join(delimiter)
}

async function buildTools(names: readonly ToolName[], progress: Progress, env: Environment): Promise<void> {
  const [first] = names
  if (first === undefined) return
  const assets = env.KUBEBUILDER_ASSETS
  const unassisted = names.filter((name) => RECIPES[name].kubebuilder)
  if (assets && unassisted.length > 0)
    progress.say(`KUBEBUILDER_ASSETS, ${assets}, holds no ${unassisted.join(', ')} that can be run`)
  await requireGo(moduleDirectory(RECIPES[first]), names)
  await makeCache(toolsCache(env))
  progress.say(`building ${names.length} tools with Go into ${toolsCache(env)} (once): ${names.join(', ')}`)
  const started = Date.now()
  for (const [index, name] of names.entries()) {
    const label = `${name} (${index + 1} of ${names.length})`
    const waiting = () => progress.say(`${label}: waiting for another process that is building tools`)
    await withLock(join(toolsCache(env), 'building.lock'), waiting, () => buildTool(name, label, progress, env))
  }
  progress.say(`tools are built, ${seconds(started)}`)
}

async function makeCache(folder: string): Promise<void> {
  try {
    await makeFolder(folder)
    await access(folder, constants.W_OK)
  } catch (cause) {
    const hint = 'Name a folder that you may write with WAYBILL_CACHE or XDG_CACHE_HOME.'
    throw new WaybillError('DISK_FAILED', `tools are built into ${folder}, which cannot be made or written`, {
      cause,
      hint,
    })
  }
}

/** One folder after the other: where there can be none, as below /proc, Node's own recursion does not come to an end. */
async function makeFolder(folder: string): Promise<void> {
  if (existsSync(folder)) return
  await makeFolder(dirname(folder))
  await mkdir(folder).catch((cause: NodeJS.ErrnoException) => {
    // Another process was quicker.
    if (cause.code !== 'EEXIST') throw cause
  })
}

async function buildTool(name: ToolName, label: string, progress: Progress, env: Environment): Promise<void> {
  if (findTool(name, env) !== undefined) return progress.say(`${label}: another process built it`)
  const target = cachedToolPath(name, env)
  const unfinished = join(dirname(target), `.${basename(target)}.${randomUUID()}`)
  const started = Date.now()
  const recipe = RECIPES[name]
  const tell = () => progress.update(`building ${label} … ${seconds(started)}`)
  tell()
  const ticking = setInterval(tell, 1_000)
  try {
    await mkdir(dirname(target), { recursive: true })
    const flags = linkerFlags(recipe)
    await goBuild({
      directory: moduleDirectory(recipe),
      package: recipe.package,
      linkerFlags: flags,
      output: unfinished,
    })
    await rename(unfinished, target)
  } finally {
    clearInterval(ticking)
    await rm(unfinished, { force: true })
  }
  progress.say(`built ${label}, ${seconds(started)}`)
}

function seconds(sinceMs: number): string {
  return `${Math.round((Date.now() - sinceMs) / 1000)} s`
}

function parseTools<Name extends ToolName>(paths: readonly (readonly [Name, string | undefined])[]): Tools<Name> {
  for (const [name, path] of paths) {
    if (path === undefined) throw new WaybillError('TOOL_FAILED', `${name} was built and is not there`)
  }
  return Object.fromEntries(paths) as Tools<Name>
}

async function main(args: readonly string[]): Promise<void> {
  const names = args.length === 0 ? TOOL_NAMES : parseToolNames(args)
  const tools: Partial<Tools> = await ensureTools(names, { progress: progressOn(process.stderr) })
  for (const name of names) process.stdout.write(`${name} ${tools[name]}\n`)
}

if (import.meta.main) {
  main(process.argv.slice(2)).catch((error: unknown) => {
    const lines = error instanceof WaybillError ? [`${error.code}: ${error.message}`, error.hint] : [String(error)]
    process.stderr.write(`${lines.join('\n')}\n`)
    process.exitCode = 1
  })
}
