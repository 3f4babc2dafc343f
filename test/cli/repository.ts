import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** A Git repository of plain manifests, and a way to change it. */
export type Repository = {
  readonly folder: string
  readonly commit: (files: Readonly<Record<string, string>>) => string
}

/** The manifests of package `shop`: one environment, `production`. */
export function shopFiles(repository: string, { secrets = 'refuse' } = {}): Readonly<Record<string, string>> {
  return {
    'waybill.yaml': `apiVersion: waybill.dev/v1alpha1
kind: Package
metadata: { name: shop }
spec:
  repository: ${repository}
  source: https://git.example.com/acme/shop
  kubernetes: { version: "1.36" }
  environments:
    production: { manifests: [deploy] }
  checks: { secrets: ${secrets}, images: pinned }
`,
    'deploy/settings.yaml': settings('Hello'),
  }
}

export function settings(greeting: string): string {
  return `apiVersion: v1
kind: ConfigMap
metadata: { name: settings }
data: { greeting: ${greeting} }
`
}

/** Makes an empty repository in `folder`. */
export function makeRepository(folder: string): Repository {
  mkdirSync(folder, { recursive: true })
  const git = (...args: readonly string[]) =>
    execFileSync('git', ['-c', 'user.name=Ada', '-c', 'user.email=ada@example.com', ...args], {
      cwd: folder,
      encoding: 'utf8',
    }).trim()
  git('init', '-q', '-b', 'main')
  return {
    folder,
    commit: (files) => {
      for (const [path, text] of Object.entries(files)) {
        mkdirSync(dirname(join(folder, path)), { recursive: true })
        writeFileSync(join(folder, path), text)
      }
      git('add', '-A')
      git('commit', '-q', '-m', 'Change the shop')
      return git('rev-parse', 'HEAD')
    },
  }
}
