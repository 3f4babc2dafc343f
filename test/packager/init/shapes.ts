import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import { type Files, git, tempFolder, writeFiles } from '../repository.ts'

const settings = (name: string) => `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}}\n`
const overlay = 'resources: [../../base]\n'
const chart = (name: string) => `apiVersion: v2\nname: ${name}\nversion: 0.1.0\n`

/** Repositories as people have them. */
export const SHAPES = {
  empty: {},
  code: { 'package.json': '{"name":"shop"}', 'src/a.ts': 'a', '.github/workflows/ci.yaml': 'on: push\n' },
  overlays: {
    'deploy/base/kustomization.yaml': 'resources: [settings.yaml]\n',
    'deploy/base/settings.yaml': settings('shop'),
    'deploy/overlays/production/kustomization.yaml': overlay,
    'deploy/overlays/staging/kustomization.yaml': overlay,
    'deploy/overlays/dev/kustomization.yaml': overlay,
    'deploy/overlays/dev/patch.yaml': settings('shop'),
    'deploy/components/tls/kustomization.yaml': 'apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n',
  },
  chart: {
    'charts/shop/Chart.yaml': chart('shop'),
    'charts/shop/values.yaml': 'greeting: Hello\n',
    'charts/shop/values-dev.yaml': 'greeting: dev\n',
    'charts/shop/values-staging.yaml': 'greeting: staging\n',
    'deploy/values.prod.yaml': 'greeting: prod\n',
    'charts/shop/values-example.yaml': 'greeting: x\n',
    'charts/shop/ci/values-test.yaml': 'greeting: x\n',
    'charts/shop/templates/settings.yaml': `${settings('shop')}data: {greeting: {{ .Values.greeting | quote }}}\n`,
    'charts/shop/charts/part/Chart.yaml': chart('part'),
    'charts/shop/charts/part/templates/a.yaml': settings('part'),
    'charts/library/Chart.yaml': `${chart('library')}type: library\n`,
  },
  plain: {
    'k8s/a.yaml': settings('a'),
    'k8s/more/b.json': '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "b"}}',
  },
  environments: {
    'k8s/all.yaml': settings('all'),
    'k8s/common/common.yaml': settings('common'),
    'k8s/staging/a.yaml': settings('a'),
    'k8s/prod/a.yaml': settings('a'),
    'k8s/prod/alerts/b.yaml': settings('b'),
  },
  mixed: {
    'skaffold.yaml': 'apiVersion: skaffold/v4beta11\nkind: Config\n',
    'catalog-info.yaml': 'apiVersion: backstage.io/v1alpha1\nkind: Component\n',
    'deploy/a.yaml': settings('a'),
    'deploy/values.yaml': 'a: 1\n',
    'test/b.yaml': settings('b'),
    'node_modules/x/c.yaml': settings('c'),
  },
  several: {
    'apps/api/overlays/prod/kustomization.yaml': overlay,
    'apps/api/base/kustomization.yaml': '{}',
    'apps/web/Chart.yaml': chart('web'),
    'crds/a.yaml': settings('a'),
    'rbac/b.yaml': settings('b'),
  },
} satisfies Readonly<Record<string, Files>>

/** A working tree with these files, nothing committed, and a remote. */
export function workingTree(files: Files, origin = 'git@github.com:Acme/shop.git'): string {
  const folder = tempFolder()
  git(folder, 'init', '-q', '-b', 'main')
  if (origin !== '') git(folder, 'remote', 'add', 'origin', origin)
  writeFiles(folder, files)
  return folder
}

/** A folder for the PATH whose programs say that they are of these versions. */
export function toolsOf(versions: Readonly<Record<string, string>>): string {
  const folder = tempFolder()
  for (const [name, version] of Object.entries(versions)) {
    writeFiles(folder, { [name]: `#!/bin/sh\necho ${version}\n` })
    chmodSync(join(folder, name), 0o755)
  }
  return folder
}
