import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { runCommandLine } from '../../cli/run.ts'

export const WAYBILL = join(import.meta.dirname, '../../cli/waybill.js')

export type Ran = { readonly status: number | null; readonly stdout: string; readonly stderr: string }
export type RunOptions = {
  readonly cwd?: string
  /** Added to a small environment; nothing else of ours is inherited. */
  readonly env?: Readonly<Record<string, string>>
  /** Somebody at a terminal, who is asked. */
  readonly ask?: (question: string) => Promise<boolean>
  /** A file descriptor in place of stdout, which is then not read. */
  readonly stdout?: number
}

/**
 * Runs the command line in this process: for what it says and does. What processes do (streams, signals, another Node) is
 * `waybill`'s.
 */
export async function waybillHere(args: readonly string[], options: Omit<RunOptions, 'stdout'> = {}): Promise<Ran> {
  const texts = { stdout: '', stderr: '' }
  const tasks = new Set<() => void>()
  const out = async (text: string) => {
    texts.stdout += text
  }
  const err = async (text: string) => {
    texts.stderr += text
  }
  const status = await runCommandLine(args, {
    version: '0.0.0',
    out,
    err,
    debug: false,
    contextFor: () => ({
      env: { ...baseEnv(), ...options.env },
      cwd: options.cwd ?? process.cwd(),
      version: '0.0.0',
      now: new Date(),
      progress: (line) => void err(`${line}\n`),
      step: (line) => void err(`${line}\n`),
      ...(options.ask === undefined ? {} : { ask: options.ask }),
      atEnd: (task) => tasks.add(task),
      signal: new AbortController().signal,
    }),
  })
  for (const task of tasks) task()
  return { status, ...texts }
}

const baseEnv = () => ({ PATH: process.env.PATH ?? '', HOME: '/nonexistent', LC_ALL: 'C' })

/** Runs the command line as a person would, and waits for its end. */
export function waybill(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  return runCommand(process.execPath, [WAYBILL, ...args], options)
}

export function runCommand(command: string, args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const { cwd, env = {}, stdout: fd } = options
  const child = spawn(command, [...args], {
    env: { ...baseEnv(), ...env },
    stdio: ['ignore', fd ?? 'pipe', 'pipe'],
    ...(cwd === undefined ? {} : { cwd }),
  })
  const texts = { stdout: '', stderr: '' }
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    texts.stdout += text
  })
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    texts.stderr += text
  })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (status) => resolve({ status, ...texts }))
  })
}

/** The error that `--output json` printed, which must be the only thing on stdout. */
export function jsonError(ran: Ran): { readonly code: string; readonly message: string; readonly hint: string } {
  const document: unknown = JSON.parse(ran.stdout)
  assert.ok(typeof document === 'object' && document !== null && 'error' in document, ran.stdout)
  const { error } = document
  assert.ok(typeof error === 'object' && error !== null && 'code' in error && 'message' in error && 'hint' in error)
  return { code: String(error.code), message: String(error.message), hint: String(error.hint) }
}

/** What holds for every failure: the exit status, one error with its code and a hint, no stack trace. */
export function assertFails(ran: Ran, status: number, code: string): void {
  assert.equal(ran.status, status, `${ran.stderr}${ran.stdout}`)
  assert.match(ran.stderr, new RegExp(`^error ${code}: .+`, 'm'), ran.stderr)
  assert.match(ran.stderr, /^hint: .+/m)
  assertNoStack(ran)
}

export function assertNoStack({ stdout, stderr }: Ran): void {
  assert.doesNotMatch(`${stdout}${stderr}`, /\n\s+at .+[:(]\d+/)
}
