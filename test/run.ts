// npm test [--unit] [part of a file name …]: runs the tests. Last line: N passed, N failed[, N skipped]; exit 1 when any failed.
import { globSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { ensureTools, pathWith, TOOL_NAMES } from '../tools/build.ts'
import { progressOn } from '../tools/progress.ts'
import { shareControlPlane, sharedClusterVariable, startControlPlane } from './real/control-plane.ts'
import { runCheck } from './runner/check.ts'
import { endAll, type FileResult, runFile } from './runner/run-file.ts'

const root = dirname(import.meta.dirname)
const fileMs = 600_000
/** Unit tests wait more than they compute; those with real servers share two cores with these. */
const filesAtOnce = { unit: 4, real: 2 } as const

type Totals = { passed: number; failed: number; skipped: number }

async function main(args: readonly string[]): Promise<boolean> {
  const unitOnly = args.includes('--unit')
  const wanted = args.filter((arg) => !arg.startsWith('--'))
  const files = globSync('test/**/*.test.ts', { cwd: root })
    .filter((file) => wanted.length === 0 || wanted.some((part) => file.includes(part)))
    .sort()
  const isReal = (file: string) => file.endsWith('.real.test.ts')
  const totals: Totals = { passed: 0, failed: 0, skipped: 0 }
  const failures: FileResult[] = []
  const note = (result: FileResult) => {
    count(result, totals)
    if (tell(result)) failures.push(result)
  }
  const unit = files.filter((file) => !isReal(file))
  const checked = wanted.length === 0 ? runCheck(root).then(note) : undefined
  await Promise.all([checked, runAll(unit, unitEnvironment(), filesAtOnce.unit, note)])
  const real = unitOnly ? [] : files.filter(isReal)
  if (real.length > 0) await runReal(real, note)
  for (const failure of failures) explain(failure)
  const skipped = totals.skipped > 0 ? `, ${totals.skipped} skipped` : ''
  process.stdout.write(`${totals.passed} passed, ${totals.failed} failed${skipped}\n`)
  return totals.failed === 0 && totals.passed > 0
}

/** Runs files that need tools and a cluster. When those cannot be had, every one of these files has failed. */
async function runReal(files: readonly string[], note: (result: FileResult) => void): Promise<void> {
  try {
    const progress = progressOn(process.stderr)
    const tools = await ensureTools(TOOL_NAMES, { progress })
    const cluster = await startControlPlane({ progress })
    const shared = { [sharedClusterVariable]: shareControlPlane(cluster), PATH: pathWith(tools) }
    await runAll(files, { ...unitEnvironment(), ...shared }, filesAtOnce.real, note)
    await cluster.stop()
  } catch (error) {
    const line = { name: 'tools and control plane', outcome: 'failed' as const, error: wordsOf(error) }
    for (const file of files) note({ file: relative(root, file), lines: [line], output: '', tookMs: 0 })
  }
}

async function runAll(
  files: readonly string[],
  env: NodeJS.ProcessEnv,
  atOnce: number,
  note: (result: FileResult) => void,
): Promise<void> {
  const waiting = [...files]
  const work = async () => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      note(await runFile({ file, env, waitMs: fileMs }))
    }
  }
  await Promise.all(Array.from({ length: atOnce }, work))
}

/**
 * What tests get to see of the environment: nothing that points at a cluster or session of the person who runs them,
 * or at the CI's run: what they publish was not built by it.
 * Node keeps what it compiled for one file for the next ones; where it may not write, it does without.
 */
function unitEnvironment(): NodeJS.ProcessEnv {
  const { KUBECONFIG, NODE_TEST_CONTEXT, COSIGN_PASSWORD, FORCE_COLOR, GITHUB_ACTIONS, GITLAB_CI, ...rest } =
    process.env
  return { ...rest, NO_COLOR: '1', NODE_COMPILE_CACHE: join(root, 'node_modules', '.cache', 'compiled-tests') }
}

function count(result: FileResult, totals: Totals): void {
  for (const line of result.lines) totals[line.outcome]++
}

/** Prints one line about a file. True when something in it failed. */
function tell({ file, lines, tookMs }: FileResult): boolean {
  const failed = lines.filter((line) => line.outcome === 'failed')
  const passed = lines.filter((line) => line.outcome === 'passed').length
  const mark = failed.length > 0 ? '✖' : '✔'
  const detail = failed.length > 0 ? `, ${failed.length} failed` : ''
  process.stdout.write(`${mark} ${file}: ${passed} passed${detail} (${(tookMs / 1000).toFixed(1)} s)\n`)
  for (const { name } of failed) process.stdout.write(`    ✖ ${name}\n`)
  return failed.length > 0
}

function explain({ file, lines, output }: FileResult): void {
  process.stdout.write(`\n──── ${file}\n`)
  for (const { name, error, outcome } of lines) {
    if (outcome === 'failed') process.stdout.write(`✖ ${name}\n${indent(error ?? '')}\n`)
  }
  const tail = output.trim().split('\n').slice(-60).join('\n')
  if (tail !== '') process.stdout.write(`  what it printed:\n${indent(tail)}\n`)
  process.stdout.write('\n')
}

function indent(text: string): string {
  return text.replaceAll(/^/gm, '    ')
}

function wordsOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return 'hint' in error ? `${error.message}\n${String(error.hint)}` : (error.stack ?? error.message)
}

process.chdir(root)
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    endAll()
    process.exit(130)
  })
}
process.exitCode = (await main(process.argv.slice(2))) ? 0 : 1
