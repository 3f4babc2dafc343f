import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { isJsonObject, type JsonObject } from '../../../contract/canonical-json.ts'
import { checkPolicies } from '../../../packager/checks/policies.ts'
import { parsePackageFile } from '../../../packager/package-file.ts'
import { objectsOf } from '../../../packager/render/objects.ts'
import type { RenderedObject } from '../../../packager/render/rendered.ts'
import { readKubernetes } from '../../../packager/schemas/disk.ts'
import { readYaml } from '../../../packager/yaml/yaml.ts'
import { inParallel } from '../../../puller/cluster/in-parallel.ts'
import { field, useControlPlane } from '../../real/control-plane.ts'
import { packageFile } from '../repository.ts'
import { CASES, type CaseGroup } from './cases.ts'
import { madeUpExpressions } from './made-up.ts'

const cluster = await useControlPlane()
const kubernetes = await readKubernetes('1.36')
const settings = parsePackageFile(Buffer.from(packageFile()))
const AT_ONCE = 16
const API = '/apis/admissionregistration.k8s.io/v1'

/** What one side says of one object under one policy. */
type Verdict = { readonly kind: 'allowed' | 'denied' | 'error' | 'undecided'; readonly message?: string }
type Case = {
  readonly name: string
  readonly expression: string
  readonly group: CaseGroup
  readonly policy: JsonObject
}

/** Of what is made up, some goes on to be evaluated; there CI may say that it cannot tell. */
const [FIRST = assert.fail('no cases')] = CASES
const MADE_UP = madeUpExpressions(20261121, 1500)
const codesOf = (expression: string) =>
  ciFindings(policyOf('made-up', expression, FIRST), []).faults.map(({ code }) => code)

let namespace = ''
let installed: readonly Case[] = []

before(async () => {
  namespace = await cluster.freshNamespace('policies')
  const evaluated = MADE_UP.filter((expression) => codesOf(expression).length === 0).slice(0, 100)
  const loose = { ...FIRST, expressions: evaluated, undecided: [], loose: true }
  installed = [...CASES, loose].flatMap((group, g) =>
    [...group.expressions, ...(group.undecided ?? [])].map((expression, i) => {
      const name = `${namespace}-${g}-${i}`
      return { name, expression, group, policy: policyOf(name, expression, group) }
    }),
  )
  const refused: string[] = []
  await inParallel(installed, AT_ONCE, async ({ name, expression, policy }) => {
    const answer = await cluster.api('POST', `${API}/validatingadmissionpolicies`, { body: policy })
    if (answer.status !== 201) refused.push(`${expression}: ${field(answer.body, 'message')}`)
    await cluster.api('POST', `${API}/validatingadmissionpolicybindings`, { body: bindingOf(name) })
  })
  assert.deepEqual(refused, [])
  await inParallel(installed, AT_ONCE, ({ name, group, expression }) =>
    cluster.eventually(`the policy of ${expression}`, async () => {
      const verdict = await serverVerdict(name, group, { ...group.objects[0], metadata: { name: 'probe' } })
      return verdict.message === 'probe'
    }),
  )
})

// Other tests have this cluster too.
after(async () => {
  for (const path of ['validatingadmissionpolicybindings', 'validatingadmissionpolicies'])
    await inParallel(installed, AT_ONCE, ({ name }) => cluster.api('DELETE', `${API}/${path}/${name}`))
})

/** Applies to objects that carry the policy's name as their case. */
function policyOf(name: string, expression: string, { resource }: CaseGroup): JsonObject {
  const rule = { apiGroups: [resource.group], apiVersions: [resource.version], resources: [resource.resource] }
  return {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'ValidatingAdmissionPolicy',
    metadata: { name },
    spec: {
      matchConstraints: {
        objectSelector: { matchLabels: { case: name } },
        resourceRules: [{ ...rule, operations: ['CREATE'] }],
      },
      validations: [{ expression: "object.metadata.name != 'probe'", message: 'probe' }, { expression }],
    },
  }
}

function bindingOf(name: string): JsonObject {
  return {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'ValidatingAdmissionPolicyBinding',
    metadata: { name },
    spec: { policyName: name, validationActions: ['Deny'] },
  }
}

/** The object as it is delivered: with the case's label, and with what the puller adds. */
function sent(object: JsonObject, name: string): JsonObject {
  const metadata = isJsonObject(object.metadata) ? object.metadata : {}
  const labels = isJsonObject(metadata.labels) ? metadata.labels : {}
  return { ...object, metadata: { ...metadata, namespace, labels: { ...labels, case: name } } }
}

async function serverVerdict(name: string, { resource }: CaseGroup, object: JsonObject): Promise<Verdict> {
  const { metadata, ...rest } = sent(object, name)
  const before = isJsonObject(metadata) ? metadata : {}
  const labels = {
    ...(isJsonObject(before.labels) ? before.labels : {}),
    'applyset.kubernetes.io/part-of': 'applyset-x-v1',
  }
  const annotations = { ...(isJsonObject(before.annotations) ? before.annotations : {}), 'waybill.dev/claim': 'x' }
  const path = resource.group === '' ? `/api/${resource.version}` : `/apis/${resource.group}/${resource.version}`
  const answer = await cluster.api('POST', `${path}/namespaces/${namespace}/${resource.resource}?dryRun=All`, {
    body: { ...rest, metadata: { ...before, labels, annotations } },
  })
  if (answer.status === 201) return { kind: 'allowed' }
  const message = String(field(answer.body, 'message'))
  const denied = /denied request: ([\s\S]*)$/.exec(message)?.[1]
  assert.ok(denied !== undefined, message)
  return / resulted in error: /.test(denied) ? { kind: 'error' } : { kind: 'denied', message: denied }
}

function rendered(object: JsonObject, file: string): RenderedObject {
  return { environment: file.startsWith('deploy') ? 'dev' : '', origin: { file, path: [] }, object }
}

function ciFindings(policy: JsonObject, objects: readonly JsonObject[]) {
  return checkPolicies(
    {
      environments: { dev: objects.map((object) => rendered(object, 'deploy/a.yaml')) },
      policies: [rendered(policy, 'policies/a.yaml')],
      faults: [],
      tools: {},
    },
    settings,
    kubernetes,
  )
}

function ciVerdict({ name, policy }: Case, object: JsonObject): Verdict {
  const [fault, second] = ciFindings(policy, [sent(object, name)]).faults
  assert.equal(second, undefined)
  if (fault === undefined) return { kind: 'allowed' }
  if (fault.code === 'ADMISSION_UNDECIDED') return { kind: 'undecided' }
  assert.equal(fault.code, 'ADMISSION_DENIED', fault.message)
  if (/' cannot be evaluated: /.test(fault.message)) return { kind: 'error' }
  return { kind: 'denied', message: fault.message.replace(/^policy .*? \(.*?\): /, '') }
}

test('CI says of every object under every policy what the API server says, with the same message', async () => {
  const differences: string[] = []
  let compared = 0
  await inParallel(installed, AT_ONCE, async (one) => {
    const isLoose = one.group.loose === true
    const mayDiffer = isLoose || one.group.undecided?.includes(one.expression) === true
    let undecided = 0
    for (const object of one.group.objects) {
      const server = await serverVerdict(one.name, one.group, object)
      const ci = ciVerdict(one, object)
      compared++
      if (ci.kind === 'undecided') undecided++
      if (ci.kind === 'undecided' && mayDiffer) continue
      if (JSON.stringify(ci) !== JSON.stringify(server))
        differences.push(`${one.expression} of ${field(object, 'metadata', 'name')}: ${JSON.stringify({ ci, server })}`)
    }
    if (mayDiffer && !isLoose && undecided === 0) differences.push(`${one.expression}: decided for every object`)
  })
  assert.deepEqual(differences, [])
  assert.ok(compared > 300, `${compared}`)
})

test('what the API server does not take as an expression, CI does not take', async () => {
  const taken: string[] = []
  for (const group of CASES)
    for (const [i, expression] of (group.invalid ?? []).entries()) {
      const policy = policyOf(`${namespace}-invalid-${i}`, expression, group)
      const answer = await cluster.api('POST', `${API}/validatingadmissionpolicies?dryRun=All`, { body: policy })
      if (answer.status !== 422) taken.push(`server: ${expression}`)
      const codes = ciFindings(policy, []).faults.map(({ code }) => code)
      if (!codes.includes('ADMISSION_INVALID')) taken.push(`CI: ${expression} ${codes}`)
    }
  assert.deepEqual(taken, [])
})

test('of expressions made up at random, CI takes those that the API server takes', async () => {
  const differences: string[] = []
  const taken = { both: 0, neither: 0 }
  await inParallel(MADE_UP, AT_ONCE, async (expression) => {
    const codes = codesOf(expression)
    if (codes.includes('ADMISSION_UNSUPPORTED')) return
    const policy = policyOf(`${namespace}-made-up`, expression, FIRST)
    const { status } = await cluster.api('POST', `${API}/validatingadmissionpolicies?dryRun=All`, { body: policy })
    taken[status === 201 ? 'both' : 'neither']++
    if ((codes.length === 0) !== (status === 201)) differences.push(`${expression}: CI ${codes}, server ${status}`)
  })
  assert.deepEqual(differences, [])
  assert.ok(taken.both > 100 && taken.neither > 100, JSON.stringify(taken))
})

test('the API server takes the policies of examples/policies, and the shop of examples/shop passes them', async () => {
  const folder = fileURLToPath(new URL('../../../examples', import.meta.url))
  const read = (path: string, environment: string) => {
    const { documents } = readYaml(path, readFileSync(join(folder, path)))
    return objectsOf(environment, path, documents).objects
  }
  const policies = ['images.yaml', 'workloads.yaml'].flatMap((file) => read(`policies/${file}`, ''))
  for (const { object } of policies)
    if (String(object.apiVersion).startsWith('admissionregistration')) {
      const resource = `${String(object.kind).toLowerCase()}s`.replace(/policys$/, 'policies')
      const answer = await cluster.api('POST', `${API}/${resource}?dryRun=All`, { body: object })
      assert.equal(answer.status, 201, JSON.stringify(answer.body))
    }
  const shop = ['api', 'web', 'config', 'service-account'].flatMap((name) =>
    read(`shop/deploy/base/${name}.yaml`, 'dev'),
  )
  const judged = checkPolicies({ environments: { dev: shop }, policies, faults: [], tools: {} }, settings, kubernetes)
  assert.deepEqual(judged.faults, [])
  const elsewhere = shop.map((one) => {
    const object: JsonObject = JSON.parse(
      JSON.stringify(one.object).replaceAll('registry.k8s.io/', 'other.example.com/'),
    )
    return { ...one, object }
  })
  const denied = checkPolicies(
    { environments: { dev: elsewhere }, policies, faults: [], tools: {} },
    settings,
    kubernetes,
  )
  assert.match(
    String(denied.faults[0]?.message),
    /^policy images, binding images .*: images from elsewhere than registry\.k8s\.io\/: other/,
  )
})
