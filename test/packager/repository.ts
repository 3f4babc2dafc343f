import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after } from 'node:test'
import type { CommitOptions } from '../../packager/pack-commit.ts'

/** A folder that is gone when the test file ends. */
export function tempFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'waybill-test-'))
  after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** Git without anything of this machine's settings. */
export const GIT_ENV = {
  PATH: process.env.PATH,
  HOME: '/nonexistent',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_AUTHOR_NAME: 'Ada',
  GIT_AUTHOR_EMAIL: 'ada@example.com',
  GIT_AUTHOR_DATE: '2026-11-21T10:00:00Z',
  GIT_COMMITTER_NAME: 'Ada',
  GIT_COMMITTER_EMAIL: 'ada@example.com',
  GIT_COMMITTER_DATE: '2026-11-21T11:00:00+01:00',
}

export function git(cwd: string, ...args: readonly string[]): string {
  return execFileSync('git', args, { cwd, env: GIT_ENV, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim()
}

/** Content of files by path; `{ link }` is a symbolic link. */
export type Files = Readonly<Record<string, string | Uint8Array | { readonly link: string }>>

export function writeFiles(folder: string, files: Files): void {
  for (const [path, content] of Object.entries(files)) {
    const file = join(folder, path)
    mkdirSync(dirname(file), { recursive: true })
    if (typeof content === 'object' && 'link' in content) symlinkSync(content.link, file)
    else writeFileSync(file, content)
  }
}

/** Commits all that the folder holds, with fixed names and times. */
export function commitAll(folder: string, message = 'Change the shop'): string {
  git(folder, 'add', '-A')
  git(folder, 'commit', '-q', '--allow-empty', '-m', message)
  return git(folder, 'rev-parse', 'HEAD')
}

/** A repository of one commit on main that holds these files. */
export function repositoryOf(files: Files): string {
  const folder = tempFolder()
  git(folder, 'init', '-q', '-b', 'main')
  writeFiles(folder, files)
  commitAll(folder)
  return folder
}

/** A repository of one commit that holds what a folder holds. */
export function repositoryFrom(source: string): string {
  const folder = tempFolder()
  cpSync(source, folder, { recursive: true })
  git(folder, 'init', '-q', '-b', 'main')
  commitAll(folder)
  return folder
}

export function optionsFor(repo: string, options: Partial<CommitOptions> = {}): CommitOptions {
  return { repo, env: { PATH: process.env.PATH }, tempDir: tmpdir(), ...options }
}

const IMAGE = `registry.example.com/api@sha256:${'a'.repeat(64)}`

/** A waybill.yaml whose one environment, dev, is the folder deploy. */
export function packageFile({ environments = 'dev: {manifests: [deploy]}', extra = '' } = {}): string {
  return `apiVersion: waybill.dev/v1alpha1
kind: Package
metadata: {name: shop}
spec:
  repository: registry.example.com/acme/shop
  source: https://git.example.com/acme/shop
  kubernetes: {version: "1.36"}
  environments: {${environments}}
${extra}`
}

export const DEPLOYMENT = `apiVersion: apps/v1
kind: Deployment
metadata:
  name: api
  namespace: shop
spec:
  selector: {matchLabels: {app: api}}
  template:
    metadata: {labels: {app: api}}
    spec:
      containers:
        - name: api
          image: ${IMAGE}
`

export const CONFIG_MAP = `apiVersion: v1
kind: ConfigMap
metadata:
  name: shop
  namespace: shop
data:
  greeting: Hello
`
