import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Fault, WaybillError } from '../../../contract/errors.ts'
import { checkPolicies } from '../../../packager/checks/policies.ts'
import type { Findings } from '../../../packager/checks/schemas.ts'
import { checkCommit, packCommit } from '../../../packager/pack-commit.ts'
import { parsePackageFile } from '../../../packager/package-file.ts'
import { objectsOf } from '../../../packager/render/objects.ts'
import type { RenderedObject } from '../../../packager/render/rendered.ts'
import { readKubernetes } from '../../../packager/schemas/disk.ts'
import { readYaml } from '../../../packager/yaml/yaml.ts'
import { DEPLOYMENT, type Files, optionsFor, packageFile, repositoryOf } from '../repository.ts'

const WITH_POLICIES = packageFile({ extra: '  policies: [policies]\n  checks: {secrets: allow}\n' })

const SETTINGS = parsePackageFile(Buffer.from(WITH_POLICIES))

/** A policy for Deployments, with one validation. */
const policy = (expression: string, { name = 'rule', spec = '', validation = '' } = {}) => `---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: ${name}}
spec:
  matchConstraints:
    resourceRules:
      - {apiGroups: [apps], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [deployments]}
  validations:
    - expression: ${JSON.stringify(expression)}
${validation}${spec}`

const binding = (spec: string, name = 'bound') => `---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: ${name}}
spec:
  policyName: rule
${spec}`

const kubernetes = await readKubernetes('1.36')

/** What policies say of the files of a package, and what is wrong with them. */
async function found(files: Readonly<Record<string, string>>): Promise<Findings> {
  const faults: Fault[] = []
  const rendered: Record<'dev' | 'policies', RenderedObject[]> = { dev: [], policies: [] }
  for (const [file, text] of Object.entries({ 'deploy/a.yaml': DEPLOYMENT, ...files })) {
    const { documents, faults: wrong } = readYaml(file, Buffer.from(text))
    const [where, environment] = file.startsWith('policies/') ? (['policies', ''] as const) : (['dev', 'dev'] as const)
    rendered[where].push(...objectsOf(environment, file, documents).objects)
    faults.push(...wrong)
  }
  const { dev, policies } = rendered
  return checkPolicies({ environments: { dev }, policies, faults, tools: {} }, SETTINGS, kubernetes)
}

/** What check finds in a commit of these files. */
async function checked(files: Files): Promise<readonly Fault[]> {
  const repo = repositoryOf({ 'waybill.yaml': WITH_POLICIES, 'deploy/a.yaml': DEPLOYMENT, ...files })
  return checkCommit(optionsFor(repo)).then(
    () => [],
    (error: unknown) => {
      assert.ok(error instanceof WaybillError, `${error}`)
      return error.faults
    },
  )
}

const brief = (faults: readonly Fault[]) => faults.map(({ code, file, line }) => `${file}:${line} ${code}`)

test('annotations that the puller will write are not taken for missing', async () => {
  const guard = (key: string) => policy(`!('waybill.dev/${key}' in object.metadata.?annotations.orValue({}))`)
  const said = async (key: string, text = DEPLOYMENT) =>
    (await found({ 'deploy/a.yaml': text, 'policies/a.yaml': guard(key) })).faults.map(({ code }) => code)
  assert.deepEqual(await said('claim'), ['ADMISSION_DENIED'])
  assert.deepEqual(await said('release'), [])
  const once = DEPLOYMENT.replace('metadata:\n', 'metadata:\n  annotations: {waybill.dev/run: once-per-release}\n')
  assert.deepEqual(await said('release', once), ['ADMISSION_DENIED'])
})

test('an object that a policy denies fails the build, with the policy, its message, file, line, object and environment', async () => {
  const text = policy("object.metadata.name.startsWith('shop-')", {
    validation: '      message: names begin with shop-\n',
  })
  const faults = await checked({ 'policies/names.yaml': text })
  assert.deepEqual(faults, [
    {
      code: 'ADMISSION_DENIED',
      message: 'policy rule (policies/names.yaml:10): names begin with shop-',
      file: 'deploy/a.yaml',
      line: 1,
      object: 'Deployment.apps shop/api',
      environment: 'dev',
    },
  ])
  assert.deepEqual((await found({ 'policies/names.yaml': policy("object.metadata.name == 'api'") })).faults, [])
})

test('a broken policy is a fault at its line', async () => {
  const lines = async (text: string) => brief((await found({ 'policies/a.yaml': text })).faults)
  assert.deepEqual(await lines(policy('object.metadata.name ==')), ['policies/a.yaml:10 ADMISSION_INVALID'])
  assert.deepEqual(await lines(policy('object.metadata.name')), ['policies/a.yaml:10 ADMISSION_INVALID'])
  assert.deepEqual(await lines(policy('true', { spec: '  variables: [{name: a, expression: "1 + true"}]\n' })), [
    'policies/a.yaml:11 ADMISSION_INVALID',
  ])
  assert.deepEqual(await lines(policy('true', { spec: '  failurePolicie: Fail\n' })), [
    'policies/a.yaml:11 ADMISSION_INVALID',
  ])
  assert.deepEqual(await lines(`${policy('true')}${policy('true')}`), ['policies/a.yaml:14 ADMISSION_INVALID'])
  const stranger = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n'
  assert.deepEqual(await lines(`${stranger}${policy('true')}`), ['policies/a.yaml:2 ADMISSION_INVALID'])
  const bound = (fields: string) => lines(`${policy('true')}${binding(fields)}`)
  assert.deepEqual(await bound('  validationActions: [Deny, Warn]\n'), ['policies/a.yaml:17 ADMISSION_INVALID'])
  assert.deepEqual(await lines(binding('  validationActions: [Deny]\n')), ['policies/a.yaml:6 ADMISSION_INVALID'])
  assert.deepEqual(await lines('# nothing\n'), ['waybill.yaml:9 ADMISSION_INVALID'])
  assert.deepEqual(brief(await checked({})), ['policies:undefined INPUT_MISSING'])
  assert.deepEqual(brief(await checked({ 'policies/a.yaml': `${policy('true')}  a: [\n` })).slice(0, 1), [
    'policies/a.yaml:12 YAML_INVALID',
  ])
})

test('what CI cannot evaluate is a fault of the policy, also where no object meets it', async () => {
  const rest = { 'deploy/a.yaml': 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: shop}\n' }
  for (const expression of [
    "request.userInfo.username == 'ada'",
    "true || 'admins' in request.userInfo.groups",
    'request.options.dryRun == []',
    "authorizer.group('').resource('pods').check('get').allowed()",
    "ip('10.0.0.1').family() == 4",
    "url('https://a').getHost() == 'a'",
    "semver('1.0.0').major() == 1",
    "object.spec.at > timestamp('2026-01-01T00:00:00Z')",
    '1u == 1u',
    "b'a' == b'a'",
    "'%.2f'.format([1.0]) == ''",
    "!format.dns1123Label().validate('a').hasValue()",
  ]) {
    const { faults } = await found({ ...rest, 'policies/a.yaml': policy(expression) })
    assert.deepEqual(brief(faults), ['policies/a.yaml:10 ADMISSION_UNSUPPORTED'], expression)
    assert.match(String(faults[0]?.message), /^policy rule: '.*' uses .*, which CI cannot evaluate$/)
  }
  const updates = policy('true').replace('[CREATE, UPDATE]', '[UPDATE]')
  assert.deepEqual(brief((await found({ ...rest, 'policies/a.yaml': updates })).faults), [
    'policies/a.yaml:8 ADMISSION_UNSUPPORTED',
  ])
  const mutating = 'apiVersion: admissionregistration.k8s.io/v1\nkind: MutatingAdmissionPolicy\nmetadata: {name: a}\n'
  assert.deepEqual(brief((await found({ ...rest, 'policies/a.yaml': mutating })).faults), [
    'policies/a.yaml:2 ADMISSION_UNSUPPORTED',
  ])
})

test('a field that is left out, and that the API server fills in, is undecided, unless it decides nothing', async () => {
  const says = async (expression: string) => (await found({ 'policies/a.yaml': policy(expression) })).faults
  const [fault] = await says('object.spec.replicas <= 5')
  assert.equal(fault?.code, 'ADMISSION_UNDECIDED')
  assert.match(String(fault?.message), /'object\.spec\.replicas <= 5' depends on spec\.replicas, which is not written/)
  assert.deepEqual(await says('object.spec.replicas <= 5 || true'), [])
  assert.equal((await says('object.spec.replicas <= 5 && false'))[0]?.code, 'ADMISSION_DENIED')
  const much = await says('lists.range(1000).all(a, lists.range(1000).all(b, a + b >= 0))')
  assert.match(String(much[0]?.message), /depends on more than 100000 steps of macros/)
  const written = { 'deploy/a.yaml': DEPLOYMENT.replace('spec:\n', 'spec:\n  replicas: 3\n') }
  assert.deepEqual((await found({ ...written, 'policies/a.yaml': policy('object.spec.replicas <= 5') })).faults, [])
})

test('a namespace says its labels where it is in the environment, and is undecided where it is not', async () => {
  const text = policy("namespaceObject.metadata.labels.env == 'prod'")
  assert.deepEqual(brief((await found({ 'policies/a.yaml': text })).faults), ['deploy/a.yaml:1 ADMISSION_UNDECIDED'])
  const namespace = 'apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {env: prod}}\n'
  assert.deepEqual((await found({ 'policies/a.yaml': text, 'deploy/n.yaml': namespace })).faults, [])
})

test('a binding that only warns or audits gives a warning, and the build goes on', async () => {
  const text = `${policy('false', { validation: '      message: rather not\n' })}${binding('  validationActions: [Warn]\n')}`
  const { faults, warnings } = await found({ 'policies/a.yaml': text })
  assert.deepEqual(faults, [])
  const ours = warnings.filter(({ code }) => code === 'ADMISSION_DENIED')
  assert.deepEqual(
    ours.map(({ message }) => message),
    ['policy rule, binding bound (policies/a.yaml:10): rather not'],
  )
})

test('a message never quotes a Secret', async () => {
  const secret = 'apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: shop}\nstringData: {password: hunter2}\n'
  const says = async (expression: string, validation: string) => {
    const text = policy(expression, { validation }).replace('[apps]', '[""]').replace('[deployments]', '[secrets]')
    const { faults } = await found({ 'deploy/s.yaml': secret, 'policies/a.yaml': text })
    assert.equal(faults.length, 1)
    assert.doesNotMatch(JSON.stringify(faults), /hunter2|aHVudGVyMg/)
    return faults[0]?.message
  }
  const quoting = '      messageExpression: "\'it is \' + object.data.password"\n'
  assert.equal(await says('false', quoting), 'policy rule (policies/a.yaml:10): failed expression: false')
  assert.match(String(await says('{"a": true}[object.data.password]', '')), /cannot be evaluated$/)
})

test('policies are not packed, and do not change what is', async () => {
  const pack = async (files: Files) => {
    const settings =
      Object.keys(files).length === 0 ? packageFile({ extra: '  checks: {secrets: allow}\n' }) : WITH_POLICIES
    const repo = repositoryOf({ 'waybill.yaml': settings, 'deploy/a.yaml': DEPLOYMENT, ...files })
    const { release, environments } = await packCommit(optionsFor(repo))
    return { paths: release.environments.dev?.objects.map(({ path }) => path), tree: environments.dev?.treeDigest }
  }
  assert.deepEqual(await pack({ 'policies/a.yaml': policy('true') }), await pack({}))
})

test('a custom object is judged with the defaults of its CRD, and its kind is found there', async () => {
  const crd = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: queues.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: queues, singular: queue, kind: Queue, listKind: QueueList}
  versions:
    - name: v1
      served: true
      storage: true
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec: {type: object, default: {}, properties: {size: {type: integer, default: 5}, name: {type: string}}}
`
  const queue = 'apiVersion: example.com/v1\nkind: Queue\nmetadata: {name: q, namespace: shop}\nspec: {name: q}\n'
  const says = async (files: Files, expression: string) => {
    const text = policy(expression).replace('[apps]', '[example.com]').replace('[deployments]', '[queues]')
    return (await found({ 'deploy/q.yaml': queue, 'policies/a.yaml': text, ...files })).faults.map(({ code }) => code)
  }
  assert.deepEqual(await says({ 'deploy/c.yaml': crd }, 'object.spec.size == 5'), [])
  assert.deepEqual(await says({ 'deploy/c.yaml': crd }, 'object.spec.size == 6'), ['ADMISSION_DENIED'])
  // Without its CRD nobody knows whether it is a queue; what would pass anyway passes.
  assert.deepEqual((await says({}, 'false')).includes('ADMISSION_UNDECIDED'), true)
  assert.deepEqual((await says({}, 'true')).includes('ADMISSION_UNDECIDED'), false)
})
