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

test('each field that is wrong is named with its line', () => {
  const kustomized = packageFile({ environments: 'dev: {kustomize: a}', extra: '  tools: {kustomize: 5.8.2}\n' })
  for (const [find, wrong, line, field] of [
    ['waybill.dev/v1alpha1', 'waybill.dev/v2', 1, 'apiVersion'],
    ['kind: Package', 'kind: Chart', 2, 'kind'],
    ['name: shop', 'name: ""', 3, 'metadata.name'],
    ['name: shop', 'name: [shop]', 3, 'metadata.name'],
    ['{name: shop}', '{name: shop, labels: {}}', 3, 'metadata.labels'],
    ['repository: registry', 'repository: https://registry', 5, 'spec.repository'],
    ['acme/shop\n  source', `acme/shop@sha256:${'0'.repeat(64)}\n  source`, 5, 'spec.repository'],
    ['source: https://git.example.com/acme/shop', 'source: 12', 6, 'spec.source'],
    ['{version: "1.36"}', '{version: "latest"}', 7, 'spec.kubernetes.version'],
    ['{version: "1.36"}', '{versions: "1.36"}', 7, 'spec.kubernetes.version'],
    ['{dev: {kustomize: a}}', '[]', 8, 'spec.environments'],
    ['{kustomize: a}', '{manifests: a}', 8, 'spec.environments.dev.manifests'],
    ['{kustomize: a}', '{manifests: []}', 8, 'spec.environments.dev.manifests'],
    ['{kustomize: a}', '{kustomize: ../a}', 8, 'spec.environments.dev.kustomize'],
    ['{kustomize: a}', '{kustomize: a, namespace: b}', 8, 'spec.environments.dev.namespace'],
    ['kustomize: 5.8.2', 'kustomize: newest', 9, 'spec.tools.kustomize'],
    ['kustomize: 5.8.2', 'kustomise: 5.8.2', 9, 'spec.tools.kustomise'],
    ['  tools: ', '  checks: {secrets: ignore}\n  tools: ', 9, 'spec.checks.secrets'],
    ['  tools: ', '  checks: {images: none}\n  tools: ', 9, 'spec.checks.images'],
    ['  tools: ', '  checks: {replicas: any}\n  tools: ', 9, 'spec.checks.replicas'],
  ] as const) {
    assert.ok(kustomized.includes(find), find)
    const faults = refused(kustomized.replace(find, wrong))
    assert.match(faults.join('\n'), new RegExp(`^${line} PACKAGE_FILE_INVALID: ${field}: `, 'm'), faults.join('\n'))
  }
  for (const field of ['apiVersion', 'kind', 'metadata', 'spec'])
    assert.match(
      refused(packageFile().replace(new RegExp(`^${field}:`, 'm'), 'x:')).join('\n'),
      new RegExp(`: ${field}: `),
    )
})

test('a file that is no YAML, empty, two documents, or too large is refused', () => {
  for (const text of ['a: [', '', '# x\n', `${packageFile()}---\n${packageFile()}`, '- a\n', 'text']) refused(text)
  assert.throws(() => parse(`${packageFile()}${'#'.repeat(300_000)}\n`), { code: 'PACKAGE_FILE_INVALID' })
  assert.throws(() => parsePackageFile(Buffer.from(packageFile(), 'utf16le')), { code: 'PACKAGE_FILE_INVALID' })
  assert.throws(() => parsePackageFile(Buffer.from([0x61, 0x3a, 0x20, 0xff])), { code: 'PACKAGE_FILE_INVALID' })
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

test('a chart needs a release, a namespace, and pinned versions of helm and of Kubernetes', () => {
  const release = 'chart: ./charts/shop/, release: shop, namespace: shop'
  const helm = packageFile({ environments: `dev: {helm: {${release}}}`, extra: '  tools: {helm: 4.3.1}\n' })
  assert.deepEqual(parse(helm).environments, {
    dev: { kind: 'helm', chart: 'charts/shop', values: [], release: 'shop', namespace: 'shop' },
  })
  assert.deepEqual(parse(helm).apiVersions, [])
  for (const [find, wrong, message] of [
    ['  tools: {helm: 4.3.1}\n', '', /^8 TOOL_UNDECLARED: .*spec\.tools\.helm/],
    ['  kubernetes: {version: "1.36"}\n', '', /^7 PACKAGE_FILE_INVALID: .*spec\.kubernetes\.version/],
    ['{version: "1.36"}', '{version: "1.36", apiVersions: ["--post-renderer"]}', /^7 .*apiVersions\.0/],
    ['release: shop, ', '', /^8 .*helm\.release/],
    ['release: shop', 'release: -f', /^8 .*helm\.release/],
    ['namespace: shop', 'namespace: ""', /^8 .*helm\.namespace/],
    ['chart: ./charts/shop/', 'chart: ../shop', /^8 .*helm\.chart/],
    ['release: shop', 'release: shop, values: [../a.yaml]', /^8 .*helm\.values\.0/],
    ['release: shop', 'release: shop, set: {a: b}', /^8 .*helm\.set/],
    ['dev: {', 'dev: {kustomize: a, ', /^8 .*exactly one/],
  ] as const) {
    assert.ok(helm.includes(find), find)
    assert.match(refused(helm.replace(find, wrong)).join('\n'), message)
  }
  const cluster = '{version: "1.36", apiVersions: [v1, monitoring.coreos.com/v1, apps/v1/Deployment]}'
  assert.equal(parse(helm.replace('{version: "1.36"}', cluster)).apiVersions.length, 3)
})

test('an environment may have a repository of its own, without a tag', () => {
  const environments = 'dev: {manifests: [a], repository: registry.example.com/acme/dev}, production: {manifests: [b]}'
  assert.deepEqual(parse(packageFile({ environments })).repositories, { dev: 'registry.example.com/acme/dev' })
  for (const wrong of ['registry.example.com/acme/dev:1', 'acme/dev', '3'])
    assert.match(
      refused(packageFile({ environments: environments.replace(/registry[^}]*/, wrong) })).join(),
      /repository/,
    )
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
