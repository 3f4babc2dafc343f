import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parsePackageFile } from '../../../../packager/package-file.ts'

const ROOT = join(import.meta.dirname, '../../../..')

test('what the guide to charts has people write is a package', () => {
  const guide = readFileSync(join(ROOT, 'docs/guides/helm.md'), 'utf8')
  const [, spec = ''] = /```yaml\nspec:\n([\s\S]*?)```/.exec(guide) ?? []
  const head = 'apiVersion: waybill.dev/v1alpha1\nkind: Package\nmetadata: {name: shop}\nspec:\n'
  const home = '  repository: registry.example.com/acme/shop\n  source: https://git.example.com/acme/shop\n'
  const { environments } = parsePackageFile(Buffer.from(`${head}${home}${spec}`))
  assert.equal(environments.production?.kind, 'helm')
})
