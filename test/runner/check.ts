import { execFile } from 'node:child_process'
import { join } from 'node:path'
import type { FileResult } from './run-file.ts'

/** Lint, format and types of the whole repository, as one counted check: what `npm run check` does. */
export async function runCheck(root: string): Promise<FileResult> {
  const started = Date.now()
  const bin = join(root, 'node_modules', '.bin')
  const said = await Promise.all([
    run(root, join(bin, 'biome'), ['check', '--error-on-warnings', '.']),
    run(root, join(bin, 'tsc'), ['--noEmit']),
  ])
  const error = said.filter((text) => text !== undefined).join('\n')
  const name = 'the code passes lint, format and types'
  const line = error === '' ? { name, outcome: 'passed' as const } : { name, outcome: 'failed' as const, error }
  return { file: 'npm run check', lines: [line], output: '', tookMs: Date.now() - started }
}

function run(cwd: string, command: string, args: readonly string[]): Promise<string | undefined> {
  return new Promise((resolve) => {
    const options = { cwd, maxBuffer: 64 * 1024 * 1024, env: { ...process.env, NO_COLOR: '1' } }
    execFile(command, args, options, (error, stdout, stderr) => {
      resolve(error === null ? undefined : `${stdout}${stderr}${error.code === undefined ? error.message : ''}`)
    })
  })
}
