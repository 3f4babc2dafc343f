import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ERRORS, type Fault, WaybillError } from '../../contract/errors.ts'
import { assertFaultless, findFaults } from '../../packager/check.ts'
import { checkCommit, renderCommit } from '../../packager/pack-commit.ts'
import { parsePackageFile } from '../../packager/package-file.ts'
import { objectsOf } from '../../packager/render/objects.ts'
import { readYaml } from '../../packager/yaml/yaml.ts'
import { CONFIG_MAP, DEPLOYMENT, type Files, git, optionsFor, packageFile, repositoryOf } from './repository.ts'

/** What check finds in a commit of these files; none when it passes. */
async function faultsOf(files: Files): Promise<readonly Fault[]> {
  try {
    await checkCommit(optionsFor(repositoryOf({ 'waybill.yaml': packageFile(), ...files })))
    return []
  } catch (error) {
    assert.ok(error instanceof WaybillError, `${error}`)
    assert.match(error.code, /^(?:CHECK_FAILED|RENDER_FAILED)$/)
    assert.equal(error.exit === 3 || error.exit === 1, true)
    return error.faults
  }
}

const brief = (faults: readonly Fault[]) => faults.map(({ code, file, line }) => `${file}:${line} ${code}`)

/** The same, for one file, without a repository. */
function faultsOfText(text: string, settings = packageFile()): readonly Fault[] {
  const { documents, faults } = readYaml('deploy/a.yaml', Buffer.from(text))
  const part = objectsOf('dev', 'deploy/a.yaml', documents)
  const rendered = { environments: { dev: part.objects }, faults: [...faults, ...part.faults], tools: {} }
  return findFaults(rendered, parsePackageFile(Buffer.from(settings)))
}

function assertFaults(text: string, ...expected: readonly string[]): void {
  const found = brief(faultsOfText(text)).filter((fault) => !fault.includes('RENDERS_NOTHING'))
  assert.deepEqual(
    found,
    expected.map((fault) => `deploy/a.yaml:${fault}`),
  )
}

const SECRETS_ALLOWED = packageFile({ extra: '  checks: {secrets: allow}\n' })

test('a package without faults passes', async () => {
  assert.deepEqual(await faultsOf({ 'deploy/a.yaml': DEPLOYMENT, 'deploy/b/c.yml': CONFIG_MAP }), [])
})

test('all faults are told at once, each with file, line, object and environment', async () => {
  const faults = await faultsOf({
    'deploy/1.yaml': `${CONFIG_MAP}---\n${CONFIG_MAP}`,
    'deploy/2.yaml': DEPLOYMENT.replace(/@sha256:\w+/, ':latest'),
    'deploy/3.yaml': `${CONFIG_MAP.replace('name: shop', 'name: other')}  on: x\n`,
    'deploy/4.json':
      '{"apiVersion": "v1",\n\t"kind": "Pod", "metadata": {"name": "p"},\n"spec": {"n": 12345678901234567890}}',
  })
  assert.deepEqual(brief(faults), [
    'deploy/1.yaml:12 OBJECT_DUPLICATE',
    'deploy/2.yaml:13 IMAGE_UNPINNED',
    'deploy/3.yaml:8 YAML_AMBIGUOUS',
    'deploy/4.json:3 INTEGER_UNSAFE',
  ])
  assert.equal(faults[0]?.object, 'ConfigMap shop/shop')
  assert.equal(faults[0]?.environment, 'dev')
  assert.match(String(faults[0]?.message), /deploy\/1\.yaml:4/)
})

test('the hint says what to do about each kind of fault', () => {
  const fault = (code: Fault['code']): Fault => ({ code, message: 'x' })
  const hintOf = (...codes: Fault['code'][]) => {
    try {
      assertFaultless(codes.map(fault))
    } catch (error) {
      return error instanceof WaybillError ? error.hint : String(error)
    }
    return ''
  }
  assert.equal(hintOf('IMAGE_UNPINNED', 'IMAGE_UNPINNED'), ERRORS.IMAGE_UNPINNED.hint)
  const both = hintOf('SECRET_VALUE', 'IMAGE_UNPINNED', 'SECRET_VALUE').split('\n')
  assert.deepEqual(
    both.map((line) => line.trim()),
    [`SECRET_VALUE: ${ERRORS.SECRET_VALUE.hint}`, `IMAGE_UNPINNED: ${ERRORS.IMAGE_UNPINNED.hint}`],
  )
})

test('a missing name, kind, apiVersion or metadata is a fault', async () => {
  assertFaults('kind: A\nmetadata: {name: a}\n', '1 OBJECT_MALFORMED')
  assertFaults('apiVersion: v1\nmetadata: {name: a}\n', '1 OBJECT_MALFORMED')
  assertFaults('apiVersion: v1\nkind: A\n', '1 OBJECT_MALFORMED')
  assertFaults('apiVersion: v1\nkind: A\nmetadata:\n  labels: {}\n', '3 OBJECT_MALFORMED')
  assertFaults('just text\n', '1 OBJECT_MALFORMED')
  assertFaults('- a\n- b\n', '1 OBJECT_MALFORMED')
})

test('a name that no path can hold is a fault', async () => {
  for (const name of ['a/b', '..', '"."', 'a%2fb', '"a b"', '""', '12', 'x'.repeat(254)])
    assertFaults(`apiVersion: v1\nkind: A\nmetadata:\n  name: ${name}\n`, '4 OBJECT_MALFORMED')
  assertFaults('apiVersion: v1\nkind: A\nmetadata:\n  name: a\n  namespace: A_B\n', '5 OBJECT_MALFORMED')
  assertFaults('apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata:\n  name: system:node\n')
})

test('generateName is a fault', async () => {
  assertFaults('apiVersion: v1\nkind: Pod\nmetadata:\n  generateName: a-\n', '4 NAME_GENERATED')
})

test('the same object in another version, or twice in a List, is a duplicate', async () => {
  assertFaults(`${DEPLOYMENT}---\n${DEPLOYMENT.replace('apps/v1', 'apps/v1beta1')}`, '18 OBJECT_DUPLICATE')
  const item = '  - {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n'
  assertFaults(`apiVersion: v1\nkind: List\nitems:\n${item}${item}`, '5 OBJECT_DUPLICATE')
})

test('a Secret with values is a fault that names no value, unless the package allows it', async () => {
  const head = 'apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: shop}\n'
  for (const text of [`${head}data:\n  password: aHVudGVyMg==\n`, `${head}stringData:\n  password: hunter2\n`]) {
    const faults = faultsOfText(text)
    assert.equal(faults.length, 1)
    assert.deepEqual([faults[0]?.code, faults[0]?.line], ['SECRET_VALUE', 4])
    assert.match(String(faults[0]?.message), /password/)
    assert.doesNotMatch(JSON.stringify(faults), /hunter2|aHVudGVyMg/)
    assert.deepEqual(faultsOfText(text, SECRETS_ALLOWED), [])
  }
  assertFaults(`${head}type: kubernetes.io/service-account-token\n`)
  assertFaults(`${head}data: {}\n`)
})

test('a value of a Secret is never taken for an image', () => {
  const text = 'apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {containers: [{name: c, image: hunter2}]}\n'
  assert.doesNotMatch(JSON.stringify(faultsOfText(text)), /hunter2/)
})

test('stringData becomes data, and wins over it', async () => {
  const text =
    'apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {a: b2xk, b: Yg==}\nstringData: {a: new, c: "ü"}\n'
  const { environments } = await checkCommit(
    optionsFor(repositoryOf({ 'waybill.yaml': SECRETS_ALLOWED, 'deploy/a.yaml': text })),
  )
  const data = { a: 'bmV3', b: 'Yg==', c: 'w7w=' }
  assert.deepEqual(environments.dev, [{ apiVersion: 'v1', kind: 'Secret', metadata: { name: 's' }, data }])
})

test('status, empty namespaces and creationTimestamp: null go', async () => {
  const text =
    'apiVersion: example.com/v1\nkind: A\nmetadata: {name: a, namespace: "", creationTimestamp: null}\nspec: {template: {metadata: {creationTimestamp: null, labels: {a: b}}}, creationTimestamp: null}\nstatus: {x: 1}\n'
  const { environments } = await checkCommit(
    optionsFor(repositoryOf({ 'waybill.yaml': packageFile(), 'deploy/a.yaml': text })),
  )
  const spec = { template: { metadata: { labels: { a: 'b' } } }, creationTimestamp: null }
  assert.deepEqual(environments.dev, [{ apiVersion: 'example.com/v1', kind: 'A', metadata: { name: 'a' }, spec }])
})

test('images without a digest are found wherever a pod template stands', async () => {
  const pod =
    'spec: {containers: [{name: a, image: a}], initContainers: [{name: b, image: "b:1"}], ephemeralContainers: [{name: c, image: c@sha256:12}], volumes: [{name: v, image: {reference: d}}]}'
  for (const [kind, spec] of [
    ['Pod', pod],
    ['Deployment', `spec: {template: {${pod}}}`],
    ['CronJob', `spec: {jobTemplate: {spec: {template: {${pod}}}}}`],
    ['Rollout', `spec: {template: {${pod}}}`],
    ['PodTemplate', `template: {${pod}}`],
  ]) {
    const text = `apiVersion: example.com/v1\nkind: ${kind}\nmetadata: {name: a}\n${spec}\n`
    assertFaults(text, ...Array(4).fill('4 IMAGE_UNPINNED'))
    const any = packageFile({ extra: '  checks: {images: any}\n' })
    assert.deepEqual(faultsOfText(text, any), [])
  }
})

test('an autoscaler whose target declares replicas is a fault at the replicas', async () => {
  const scaler = (name: string) =>
    `apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: h, namespace: shop}\nspec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: ${name}}}\n`
  const scaled = DEPLOYMENT.replace('spec:\n', 'spec:\n  replicas: 3\n')
  assertFaults(`${scaled}---\n${scaler('api')}`, '7 REPLICAS_AUTOSCALED')
  assertFaults(`${scaled}---\n${scaler('api').replace('/v2', '/v1')}`, '7 REPLICAS_AUTOSCALED')
  assertFaults(`${scaled}---\n${scaler('web')}`)
  assertFaults(`${DEPLOYMENT}---\n${scaler('api')}`)
})

test('what Waybill or the API server sets is a fault', async () => {
  const object = (metadata: string, type = 'apiVersion: v1\nkind: ConfigMap\n') =>
    `${type}metadata:\n  name: a\n${metadata}`
  for (const field of ['managedFields: []', 'uid: x', 'resourceVersion: "1"'])
    assertFaults(object(`  ${field}\n`), '5 OBJECT_RESERVED')
  assertFaults(object('  labels:\n    applyset.kubernetes.io/part-of: x\n'), '6 OBJECT_RESERVED')
  assertFaults(object('  annotations:\n    waybill.dev/claim: x\n'), '6 OBJECT_RESERVED')
  assertFaults(object('  annotations:\n    waybill.dev/release: x\n'), '6 OBJECT_RESERVED')
  assertFaults(object('  annotations:\n    waybill.dev/break-glass: x\n'), '6 OBJECT_RESERVED')
  for (const kind of ['DeliveryRecord', 'DeliveryInventory'])
    assertFaults(object('', `apiVersion: waybill.dev/v1alpha1\nkind: ${kind}\n`), '2 OBJECT_RESERVED')
})

test('an object that etcd would not take is a fault', async () => {
  assertFaults(`${CONFIG_MAP}  big: ${'x'.repeat(1_500_000)}\n`, '1 OBJECT_TOO_LARGE')
})

test('an environment that renders nothing, or whose folder is missing, is a fault', async () => {
  assert.deepEqual(brief(await faultsOf({ 'deploy/a.yaml': '# nothing\n' })), [
    'waybill.yaml:8 ENVIRONMENT_RENDERS_NOTHING',
  ])
  assert.deepEqual(brief(await faultsOf({ 'deploy/readme.md': 'x' })), ['waybill.yaml:8 ENVIRONMENT_RENDERS_NOTHING'])
  assert.deepEqual(brief(await faultsOf({})), ['deploy:undefined INPUT_MISSING'])
})

test('a kustomization, a link out of the repository and an LFS pointer in a plain folder are faults', async () => {
  const faults = await faultsOf({
    'deploy/a.yaml': CONFIG_MAP,
    'deploy/b/kustomization.yaml': 'resources: []\n',
    'deploy/c.yaml': { link: '/etc/passwd' },
    'deploy/d.yaml': 'version https://git-lfs.github.com/spec/v1\noid sha256:x\nsize 1\n',
    'deploy/e.yaml': { link: '../shared/e.yaml' },
    'shared/e.yaml': CONFIG_MAP.replace('name: shop', 'name: e'),
  })
  const found = faults.map(({ code, file }) => `${file} ${code}`)
  assert.deepEqual(found, [
    'deploy/b/kustomization.yaml INPUT_UNSUPPORTED',
    'deploy/c.yaml INPUT_UNSUPPORTED',
    'deploy/d.yaml INPUT_UNSUPPORTED',
  ])
})

test('a submodule in a plain folder, or around it, is a fault that says so; elsewhere it is none of our business', async () => {
  for (const [path, found] of [
    ['deploy/lib', ['deploy/lib INPUT_UNSUPPORTED']],
    ['vendor', []],
  ] as const) {
    const repo = repositoryOf({ 'waybill.yaml': packageFile(), 'deploy/a.yaml': CONFIG_MAP })
    git(repo, 'update-index', '--add', '--cacheinfo', `160000,${'1'.repeat(40)},${path}`)
    git(repo, 'commit', '-q', '-m', 'Add a submodule')
    const faults = await checkCommit(optionsFor(repo)).then(
      () => [],
      (error) => (error instanceof WaybillError ? error.faults : []),
    )
    assert.deepEqual(
      faults.map(({ code, file }) => `${file} ${code}`),
      found,
    )
  }
})

test('the root of the repository may be an environment; waybill.yaml is no object', async () => {
  const files = { 'waybill.yaml': packageFile({ environments: 'dev: {manifests: [.]}' }), 'a.yaml': CONFIG_MAP }
  assert.deepEqual(await faultsOf(files), [])
})

test('rendering gives objects before any check, of the environments asked for', async () => {
  const environments = 'dev: {manifests: [deploy]}, prod: {manifests: [deploy/a.yaml, deploy]}'
  const repo = repositoryOf({
    'waybill.yaml': packageFile({ environments }),
    'deploy/a.yaml': DEPLOYMENT.replace(/@sha256:\w+/, ''),
  })
  const { rendered } = await renderCommit(optionsFor(repo, { environments: ['prod'] }))
  assert.deepEqual(Object.keys(rendered.environments), ['prod'])
  assert.equal(rendered.environments.prod?.length, 1)
  await assert.rejects(renderCommit(optionsFor(repo, { environments: ['qa'] })), { code: 'ENVIRONMENT_MISSING' })
})
