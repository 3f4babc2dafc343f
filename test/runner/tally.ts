import type { FileResult } from './run-file.ts'

export type Totals = { passed: number; failed: number; skipped: number }

/** The result of a file that was not run, and why. */
export function skippedFile(file: string, why: string): FileResult {
  return { file, lines: [{ name: 'the whole file', outcome: 'skipped', error: why }], output: '', tookMs: 0 }
}

/** The result of a file that could not be run, and why. */
export function failedFile(file: string, what: string, error: unknown): FileResult {
  return { file, lines: [{ name: what, outcome: 'failed', error: wordsOf(error) }], output: '', tookMs: 0 }
}

export function count({ lines }: FileResult, totals: Totals): void {
  for (const line of lines) totals[line.outcome]++
}

export function hasFailed({ lines }: FileResult): boolean {
  return lines.some(({ outcome }) => outcome === 'failed')
}

/** One line about a file, and one for each test that failed. */
export function headline(result: FileResult): string {
  const { file, lines, tookMs } = result
  const failed = lines.filter((line) => line.outcome === 'failed')
  const passed = lines.filter((line) => line.outcome === 'passed').length
  const skipped = lines.filter((line) => line.outcome === 'skipped')
  if (skipped.length === lines.length) return `- ${file}: skipped: ${skipped[0]?.error ?? 'every test says so'}\n`
  const detail = `${failed.length > 0 ? `, ${failed.length} failed` : ''}${skipped.length > 0 ? `, ${skipped.length} skipped` : ''}`
  const first = `${failed.length > 0 ? '✖' : '✔'} ${file}: ${passed} passed${detail} (${(tookMs / 1000).toFixed(1)} s)\n`
  return first + failed.map(({ name }) => `    ✖ ${name}\n`).join('')
}

/** Each failed test of a file with its error, and the end of what the file printed. */
export function explanation({ file, lines, output }: FileResult): string {
  const failed = lines.filter(({ outcome }) => outcome === 'failed')
  const errors = failed.map(({ name, error }) => `✖ ${name}\n${indent(error ?? '')}\n`)
  const tail = output.trim().split('\n').slice(-60).join('\n')
  const printed = tail === '' ? '' : `  what it printed:\n${indent(tail)}\n`
  return `\n──── ${file}\n${errors.join('')}${printed}\n`
}

/** The last line of a run. */
export function summary({ passed, failed, skipped }: Totals): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`
}

function indent(text: string): string {
  return text.replaceAll(/^/gm, '    ')
}

function wordsOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return 'hint' in error ? `${error.message}\n${String(error.hint)}` : (error.stack ?? error.message)
}
