import { execFile } from 'node:child_process'
import { basename, join } from 'node:path'
import type { Narrator } from './narrator.ts'

/** Runs programs for the demo and shows them. Every call rejects with what the program said when it fails. */
export type Shell = {
  /** Shows the command, runs it, shows its answer, and returns its standard output. */
  readonly show: (program: string, args: readonly string[], options?: RunOptions) => Promise<string>
  /** The same without showing anything. */
  readonly quiet: (program: string, args: readonly string[], options?: RunOptions) => Promise<string>
  /** Ends what runs; whatever is asked for afterwards rejects. */
  readonly stop: () => void
}

export type RunOptions = { readonly cwd?: string; readonly input?: string }

/** What a program that failed said. */
export class CommandFailed extends Error {
  override readonly name = 'CommandFailed'
}

const waybillScript = join(import.meta.dirname, '..', '..', 'cli', 'waybill.js')
const runMs = 120_000

/** A shell with this environment. `waybill` stands for the command of this repository, as `npx waybill` runs it. */
export function createShell(env: NodeJS.ProcessEnv, narrator: Narrator): Shell {
  const abort = new AbortController()
  const run = (program: string, args: readonly string[], { cwd, input = '' }: RunOptions = {}) =>
    new Promise<{ stdout: string; stderr: string }>((resolve, reject) => {
      const [file, all] = program === 'waybill' ? [process.execPath, [waybillScript, ...args]] : [program, args]
      const { signal } = abort
      const options = {
        env,
        signal,
        timeout: runMs,
        maxBuffer: 64 * 1024 * 1024,
        ...(cwd === undefined ? {} : { cwd }),
      }
      const child = execFile(file, all, options, (error, stdout, stderr) => {
        if (error === null) return resolve({ stdout, stderr })
        const said = `${stdout}${stderr}`.trim() || error.message
        reject(new CommandFailed(`${commandLine(program, args)}\n${said}`, { cause: error }))
      })
      child.stdin?.on('error', () => {})
      child.stdin?.end(input)
    })
  return {
    stop: () => abort.abort(),
    quiet: async (program, args, options) => (await run(program, args, options)).stdout,
    show: async (program, args, options) => {
      narrator.command(commandLine(program, args))
      const { stdout, stderr } = await run(program, args, options)
      narrator.answer(`${stdout}${stderr}`)
      return stdout
    },
  }
}

/** A command as a person would type it: files by their last name, words with blanks in quotes. */
function commandLine(program: string, args: readonly string[]): string {
  const words = args.map((arg) => (arg.startsWith('/') ? basename(arg) : arg))
  return [program, ...words].map((word) => (/^[\w@%+=:,./~-]+$/.test(word) ? word : `'${word}'`)).join(' ')
}
