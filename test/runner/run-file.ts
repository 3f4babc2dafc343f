import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestLine } from './reporter.ts'

/** How a test file went. A file that crashed, took too long or ran no test has one failed line that says so. */
export type FileResult = {
  readonly file: string
  readonly lines: readonly TestLine[]
  /** What the file printed; its end, when it was much. */
  readonly output: string
  readonly tookMs: number
}

export type FileRun = { readonly file: string; readonly env: NodeJS.ProcessEnv; readonly waitMs: number }

const outputCharsMax = 200_000
const groups = new Set<number>()

/** Runs one test file in a process group of its own, and ends the whole group afterwards. Never rejects over what tests do. */
export async function runFile({ file, env, waitMs }: FileRun): Promise<FileResult> {
  const started = Date.now()
  const destination = join(tmpdir(), `waybill-report-${randomUUID()}.jsonl`)
  const reporter = join(import.meta.dirname, 'reporter.ts')
  const args = [`--test-reporter=${reporter}`, `--test-reporter-destination=${destination}`, file]
  const child = spawn(process.execPath, args, { env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  const group = child.pid
  if (group !== undefined) groups.add(group)
  let output = ''
  const keep = (text: string) => {
    output = (output + text).slice(-outputCharsMax)
  }
  child.stdout.setEncoding('utf8').on('data', keep)
  child.stderr.setEncoding('utf8').on('data', keep)
  let late = false
  const timer = setTimeout(() => {
    late = true
    if (group !== undefined) killGroup(group)
  }, waitMs)
  const end = await new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message))
    child.once('exit', (code, signal) => resolve(signal ?? `exit status ${code}`))
  })
  clearTimeout(timer)
  if (group !== undefined) killGroup(group)
  const lines = (await readFile(destination, 'utf8').catch(() => '')).split('\n').filter((line) => line !== '')
  await rm(destination, { force: true })
  const why = late ? `took longer than ${waitMs / 1000} s and was ended` : end
  return { file, lines: judge(lines.map(parseTestLine), why), output, tookMs: Date.now() - started }
}

/** Ends every test file that still runs. For the runner's own sudden end. */
export function endAll(): void {
  for (const group of groups) killGroup(group)
}

function judge(lines: readonly TestLine[], end: string): readonly TestLine[] {
  const fault = (error: string): readonly TestLine[] => [...lines, { name: 'the whole file', outcome: 'failed', error }]
  if (lines.some((line) => line.outcome === 'failed')) return lines
  if (end !== 'exit status 0') return fault(`no test failed, and the file ended with: ${end}`)
  return lines.length === 0 ? fault('the file ran no test') : lines
}

function killGroup(pid: number): void {
  groups.delete(pid)
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // nobody is left in it
  }
}

function parseTestLine(line: string): TestLine {
  return JSON.parse(line) as TestLine
}
