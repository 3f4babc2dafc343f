import { ensureTools, pathWith, type ToolName, type Tools } from '../../tools/build.ts'
import { progressOn } from '../../tools/progress.ts'

/** The tools that `names` name, built if need be, and first on this process's PATH from now on. */
export async function useTools<Name extends ToolName>(...names: readonly Name[]): Promise<Tools<Name>> {
  const tools = await ensureTools(names, { progress: progressOn(process.stderr) })
  process.env.PATH = pathWith(tools)
  return tools
}
