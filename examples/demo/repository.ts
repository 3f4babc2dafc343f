import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Shell } from './process.ts'

/** The Git repository of the example package, in a folder of its own. */
export type ShopRepository = {
  readonly directory: string
  readonly file: (path: string) => string
  readonly write: (path: string, text: string) => void
  readonly remove: (path: string) => void
  /** Commits everything there is and returns the commit's hash. */
  readonly commit: (message: string) => Promise<string>
}

const person = ['-c', 'user.name=Waybill demo', '-c', 'user.email=demo@example.com', '-c', 'commit.gpgsign=false']

/** Copies examples/shop to `directory`, lets its waybill.yaml name `artifacts` as its repository, and runs `git init`. */
export async function createShopRepository(
  directory: string,
  artifacts: string,
  shell: Shell,
): Promise<ShopRepository> {
  cpSync(join(import.meta.dirname, '..', 'shop'), directory, { recursive: true })
  const git = (...args: readonly string[]) => shell.quiet('git', ['-C', directory, ...person, ...args])
  const file = (path: string) => readFileSync(join(directory, path), 'utf8')
  const write = (path: string, text: string) => writeFileSync(join(directory, path), text)
  write('waybill.yaml', replaceOnce(file('waybill.yaml'), /^( +repository: ).*$/m, `$1${artifacts}`))
  await git('init', '--quiet', '--initial-branch=main')
  return {
    directory,
    file,
    write,
    remove: (path) => rmSync(join(directory, path)),
    commit: async (message) => {
      await git('add', '--all')
      await git('commit', '--quiet', `--message=${message}`)
      return (await git('rev-parse', 'HEAD')).trim()
    },
  }
}

/** Replaces what must be there; an example that changed under the demo's feet is a fault of ours. */
export function replaceOnce(text: string, pattern: RegExp, replacement: string): string {
  if (!pattern.test(text)) throw new Error(`the example no longer holds ${pattern}`)
  return text.replace(pattern, replacement)
}
