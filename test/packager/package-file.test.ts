import assert from 'node:assert/strict'
import { test } from 'node:test'
import { WaybillError } from '../../contract/errors.ts'
import { openCommit } from '../../packager/pack-commit.ts'
import { parsePackageFile } from '../../packager/package-file.ts'
import { optionsFor, packageFile, repositoryOf } from './repository.ts'

const parse = (text: string) => parsePackageFile(Buffer.from(text))

/** The faults that a file is refused with, as `line code: message`. */
function refused(text: string, code = 'PACKAGE_FILE_INVALID'): readonly string[] {
  try {
    parse(text)
  } catch (error) {
    assert.ok(error instanceof WaybillError, `${error}`)
    assert.equal(error.code, code)
    return error.faults.map((fault) => `${fault.line} ${fault.code}: ${fault.message}`)
  }
  return assert.fail('it was accepted')
}

test('a package file is read, with what it leaves out', () => {
  const file = parse(packageFile({ environments: 'dev: {manifests: [./deploy/]}' }))
  assert.deepEqual(file.environments, { dev: { kind: 'manifests', paths: ['deploy'] } })
  assert.deepEqual(file.checks, { secrets: 'refuse', images: 'pinned' })
  assert.deepEqual(
    [file.name, file.repository, file.kubernetesVersion],
    ['shop', 'registry.example.com/acme/shop', '1.36'],
  )
})

test('every fault of a broken file is told with its line', () => {
  const text = `apiVersion: waybill.dev/v1
kind: Package
metadata:
  name: Shop_1
spec:
  repository: acme/shop:latest
  source: https://user:hunter2@git.example.com/acme/shop
  kubernetes:
    version: 1.36
  environments:
    dev:
      manifests: [../outside]
    prod:
      manifests: [a]
      kustomize: b
    qa: {}
  colour: red
`
  const faults = refused(text)
  const lines = faults.map((fault) => Number(fault.split(' ')[0])).sort((a, b) => a - b)
  assert.deepEqual(lines, [1, 4, 6, 7, 9, 12, 13, 16, 17])
  assert.doesNotMatch(faults.join(), /hunter2/)
})

test('a file that is no YAML, empty, two documents, or too large is refused', () => {
  for (const text of ['a: [', '', '# x\n', `${packageFile()}---\n${packageFile()}`, '- a\n', 'text']) refused(text)
  assert.throws(() => parse('#'.repeat(300_000)), { code: 'PACKAGE_FILE_INVALID' })
})

test('paths that lead out of the repository are refused', () => {
  for (const path of ['/etc', '../x', 'a/../../b', 'a\\b', '""'])
    refused(packageFile({ environments: `dev: {manifests: ['${path.replaceAll('""', '')}']}` }))
})

test('kustomize without a pinned version is refused', () => {
  const faults = refused(packageFile({ environments: 'dev: {kustomize: overlays/dev}' }))
  assert.match(faults.join(), /^8 TOOL_UNDECLARED/)
  const pinned = packageFile({ environments: 'dev: {kustomize: overlays/dev}', extra: '  tools: {kustomize: 5.8.2}\n' })
  assert.deepEqual(parse(pinned).tools, { kustomize: '5.8.2' })
})

test('what is not built yet is refused as that', () => {
  const helm = 'production: {helm: {chart: charts/shop}}'
  assert.match(refused(packageFile({ environments: helm }), 'FIELD_UNSUPPORTED').join(), /^8 FIELD_UNSUPPORTED: .*helm/)
  const repository = 'dev: {manifests: [a], repository: registry.example.com/acme/dev}'
  assert.match(refused(packageFile({ environments: repository }), 'FIELD_UNSUPPORTED').join(), /repository/)
})

test('no environments, too many, and names that are none are refused', () => {
  refused(packageFile({ environments: '' }))
  refused(packageFile({ environments: Array.from({ length: 65 }, (_, i) => `e${i}: {manifests: [a]}`).join(', ') }))
  refused(packageFile({ environments: 'Prod: {manifests: [a]}' }))
  for (const environments of ['__proto__: {manifests: [a]}', 'dev: {manifests: [a]}, __proto__: {manifests: [a]}'])
    assert.match(refused(packageFile({ environments })).join(), /^8 .*__proto__/)
})

test('a commit without a package file is refused', async () => {
  await assert.rejects(openCommit(optionsFor(repositoryOf({ a: 'a' }))), { code: 'PACKAGE_FILE_MISSING' })
  await assert.rejects(openCommit(optionsFor(repositoryOf({ 'waybill.yaml': { link: 'a' }, a: packageFile() }))), {
    code: 'PACKAGE_FILE_MISSING',
  })
})
