import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { SOURCES } from '../../../tools/image/source.ts'

const ROOT = join(import.meta.dirname, '..', '..', '..')

const identity = {
  GIT_AUTHOR_NAME: 'A',
  GIT_AUTHOR_EMAIL: 'a@example.com',
  GIT_AUTHOR_DATE: '2026-11-21T10:00:00Z',
  GIT_COMMITTER_NAME: 'A',
  GIT_COMMITTER_EMAIL: 'a@example.com',
  GIT_COMMITTER_DATE: '2026-11-21T10:00:00Z',
}

export function git(folder: string, ...args: readonly string[]): string {
  const env = { ...process.env, ...identity }
  return execFileSync('git', ['-c', 'init.defaultBranch=main', ...args], { cwd: folder, env, encoding: 'utf8' }).trim()
}

/** A repository whose one commit is what the sources of the image are just now, with the packages that are installed here. */
export function commitSources(folder: string): string {
  const list = [
    'ls-files',
    '-z',
    '--cached',
    '--others',
    '--exclude-standard',
    '--deduplicate',
    '--',
    ...SOURCES,
    'tools/progress.ts',
  ]
  mkdirSync(folder, { recursive: true })
  for (const file of git(ROOT, ...list)
    .split('\0')
    .filter(Boolean)) {
    mkdirSync(dirname(join(folder, file)), { recursive: true })
    cpSync(join(ROOT, file), join(folder, file), { force: true })
  }
  git(folder, 'init', '-q')
  git(folder, 'add', '-A')
  git(folder, 'commit', '-q', '-m', 'The sources')
  return withPackages(folder)
}

/** Another clone of the same commit. */
export function cloneOf(from: string, to: string): string {
  git(from, 'clone', '-q', from, to)
  return withPackages(to)
}

function withPackages(folder: string): string {
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
  return folder
}
