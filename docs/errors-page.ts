import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ERRORS, isErrorCode, type Retry } from '../contract/errors.ts'

/** `node docs/errors-page.ts` writes docs/ERRORS.md from the table in contract/errors.ts; a test holds the two together. */
const TABLE = join(import.meta.dirname, '..', 'contract', 'errors.ts')
const PAGE = join(import.meta.dirname, 'ERRORS.md')

const EXIT = { 0: '0 warned', 1: '1 failed', 2: '2 usage', 3: '3 refused', 4: '4 timed out' } as const
const RETRY: Readonly<Record<Retry, string>> = {
  never: 'no',
  later: 'by itself',
  'on-change': 'after a change',
}

/** The page: a section for each `// ---- heading` of the table, a row for each code. */
export function errorsPage(): string {
  const lines = readFileSync(TABLE, 'utf8').split('\n')
  const rows = lines.flatMap((line) => {
    const heading = /^ {2}\/\/ ---- (.*)$/.exec(line)?.[1]
    if (heading !== undefined) return ['', `## ${heading[0]?.toUpperCase()}${heading.slice(1)}`, '', ...HEAD]
    const code = /^ {2}([A-Z][A-Z0-9_]+): /.exec(line)?.[1] ?? ''
    return isErrorCode(code) ? [row(code)] : []
  })
  return `${[...INTRODUCTION, ...rows].join('\n')}\n`
}

const HEAD = ['| code | exit | tried again | what to do |', '| --- | --- | --- | --- |']

function row(code: keyof typeof ERRORS): string {
  const { exit, retry, hint } = ERRORS[code]
  const text: string = hint
  // Reports in SARIF point here.
  const anchor = `<a id="${code.toLowerCase()}"></a>`
  return `| ${anchor}\`${code}\` | ${EXIT[exit]} | ${RETRY[retry]} | ${text.replaceAll('|', '\\|').replaceAll('<', '&lt;')} |`
}

const INTRODUCTION = [
  '# Errors',
  '',
  'Generated from `contract/errors.ts` by `node docs/errors-page.ts`; do not edit.',
  '',
  'Every error has a code, which never changes its meaning, a message for the event, and a hint. The command line prints',
  '`error CODE: message`, each fault with its place, and `hint: …`; with `--output json` the one document on stdout is',
  '`{"error": {"code", "message", "hint", "retry", "faults"}}`. The puller writes the same codes into conditions and records.',
  '"Tried again" says what the puller does with it: by itself, only after somebody changed something, or not at all.',
  'No message holds the value of a Secret.',
  '',
  'Exit status 0 is done; 5 is an answer, not an error: two things differ, where that was asked.',
]

if (import.meta.main) writeFileSync(PAGE, errorsPage())
