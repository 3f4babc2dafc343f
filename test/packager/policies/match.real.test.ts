import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isJsonObject, type JsonObject } from '../../../contract/canonical-json.ts'
import { checkPolicies } from '../../../packager/checks/policies.ts'
import { parsePackageFile } from '../../../packager/package-file.ts'
import type { RenderedObject } from '../../../packager/render/rendered.ts'
import { readKubernetes } from '../../../packager/schemas/disk.ts'
import { inParallel } from '../../../puller/cluster/in-parallel.ts'
import { field, useControlPlane } from '../../real/control-plane.ts'
import { packageFile } from '../repository.ts'

const cluster = await useControlPlane()
const kubernetes = await readKubernetes('1.36')
const settings = parsePackageFile(Buffer.from(packageFile()))
const AT_ONCE = 16
const API = '/apis/admissionregistration.k8s.io/v1'
const META = { apiVersion: 'admissionregistration.k8s.io/v1' }

type Said = 'allowed' | 'undecided' | string
/** Parts of a policy and its binding that decide where it applies, and what it then does. */
type Case = {
  readonly policy?: JsonObject
  readonly match?: JsonObject
  readonly binding?: JsonObject
  readonly undecided?: boolean
}

const rule = (fields: JsonObject = {}): JsonObject => ({
  apiGroups: ['*'],
  apiVersions: ['*'],
  operations: ['*'],
  resources: ['*'],
  ...fields,
})
const rules = (...all: readonly JsonObject[]): Case => ({ match: { resourceRules: all } })
const labelled = (key: string, operator: string, ...values: readonly string[]) => ({
  matchExpressions: [{ key, operator, ...(values.length > 0 ? { values } : {}) }],
})

const CASES: readonly Case[] = [
  {},
  rules(rule({ apiGroups: ['apps'] })),
  rules(rule({ apiGroups: [''], resources: ['configmaps', 'secrets'] })),
  rules(rule({ apiGroups: ['apps'], resources: ['configmaps'] })),
  rules(rule({ resources: ['configmaps/status'] })),
  rules(rule({ resources: ['*/*'] })),
  rules(rule({ resources: ['configmaps/*'] })),
  rules(rule({ resources: ['*/status'] })),
  rules(rule({ resources: ['ConfigMap', 'configmap'] })),
  { ...rules(rule({ apiVersions: ['v1'] })), undecided: true },
  { ...rules(rule({ apiVersions: ['v2'] })), undecided: true },
  rules(rule({ operations: ['DELETE'] })),
  rules(rule({ operations: ['CREATE', 'DELETE'] })),
  rules(rule({ scope: 'Cluster' })),
  rules(rule({ scope: 'Namespaced' })),
  rules(rule({ resourceNames: ['one'] })),
  rules(rule({ resourceNames: ['two'], resources: ['configmaps'] }), rule({ resources: ['namespaces'] })),
  { match: { resourceRules: [rule()], excludeResourceRules: [rule({ resources: ['configmaps'] })] } },
  { match: { resourceRules: [rule()], excludeResourceRules: [rule({ operations: ['UPDATE'] })] } },
  { match: { resourceRules: [rule()], excludeResourceRules: [rule({ resourceNames: ['two'] })] } },
  { match: { resourceRules: [rule()], objectSelector: { matchLabels: { tier: 'web' } } } },
  { match: { resourceRules: [rule()], objectSelector: labelled('tier', 'NotIn', 'web') } },
  { match: { resourceRules: [rule()], objectSelector: labelled('tier', 'Exists') } },
  { match: { resourceRules: [rule()], objectSelector: labelled('tier', 'DoesNotExist') } },
  { match: { resourceRules: [rule()], objectSelector: labelled('applyset.kubernetes.io/part-of', 'Exists') } },
  { match: { resourceRules: [rule()], namespaceSelector: { matchLabels: { env: 'prod' } } }, undecided: true },
  { match: { resourceRules: [rule()], namespaceSelector: labelled('env', 'NotIn', 'prod') }, undecided: true },
  {
    match: { resourceRules: [rule()], namespaceSelector: { matchLabels: { env: 'prod', zone: 'b' } } },
    undecided: true,
  },
  { match: { resourceRules: [rule()], namespaceSelector: labelled('kubernetes.io/metadata.name', 'In', 'default') } },
  {
    match: { resourceRules: [rule()], namespaceSelector: labelled('kubernetes.io/metadata.name', 'NotIn', 'default') },
  },
  { match: { resourceRules: [rule({ apiGroups: ['autoscaling'], apiVersions: ['v1'] })] }, undecided: true },
  { match: { matchPolicy: 'Exact', resourceRules: [rule({ apiGroups: ['autoscaling'], apiVersions: ['v1'] })] } },
  { match: { matchPolicy: 'Exact', resourceRules: [rule({ apiGroups: ['autoscaling'], apiVersions: ['v2'] })] } },
  // bindings
  { binding: { matchResources: { resourceRules: [rule({ resources: ['configmaps'] })] } } },
  { binding: { matchResources: { objectSelector: { matchLabels: { tier: 'web' } } } } },
  { binding: { matchResources: { namespaceSelector: { matchLabels: { env: 'prod' } } } }, undecided: true },
  { binding: { matchResources: { excludeResourceRules: [rule({ resources: ['secrets'] })] } } },
  {
    match: { resourceRules: [rule({ resources: ['configmaps'] })] },
    binding: { matchResources: { resourceRules: [rule({ resources: ['secrets'] })] } },
  },
  { binding: { validationActions: ['Audit'] } },
  { binding: { validationActions: ['Warn', 'Audit'] } },
  // conditions, failures, messages
  { policy: { matchConditions: [{ name: 'a', expression: "object.metadata.name == 'one'" }] } },
  { policy: { matchConditions: [{ name: 'a', expression: 'object.foo == 1' }] } },
  { policy: { failurePolicy: 'Ignore', matchConditions: [{ name: 'a', expression: 'object.foo == 1' }] } },
  {
    policy: {
      matchConditions: [
        { name: 'a', expression: 'object.foo == 1' },
        { name: 'b', expression: 'false' },
      ],
    },
  },
  { policy: { matchConditions: [{ name: 'a', expression: 'namespaceObject == null' }] } },
  { policy: { matchConditions: [{ name: 'a', expression: "namespaceObject.metadata.name == 'x'" }] } },
  { policy: { failurePolicy: 'Ignore', validations: [{ expression: 'object.foo == 1' }] } },
  { policy: { validations: [{ expression: 'object.foo == 1' }] } },
  { policy: { validations: [{ expression: 'true' }, { expression: 'false', message: ' second ' }] } },
  { policy: { validations: [{ expression: ' false ' }] } },
  {
    policy: {
      validations: [{ expression: 'false', message: 'plain', messageExpression: "'made of ' + object.metadata.name" }],
    },
  },
  { policy: { validations: [{ expression: 'false', message: 'plain', messageExpression: 'object.foo' + " + ''" }] } },
  { policy: { validations: [{ expression: 'false', message: 'plain', messageExpression: "' '" }] } },
  { policy: { validations: [{ expression: 'false', message: 'plain', messageExpression: "'a\\nb'" }] } },
  {
    policy: {
      validations: [{ expression: 'false', messageExpression: "'%s has %d'.format([object.metadata.name, 3])" }],
    },
  },
  { policy: { validations: [{ expression: 'false', reason: 'Forbidden', message: 'no' }] } },
  {
    policy: {
      variables: [
        { name: 'n', expression: 'object.metadata.name' },
        { name: 'two', expression: "variables.n + 'x'" },
      ],
      validations: [{ expression: "variables.two == 'onex'", messageExpression: "'not ' + variables.two" }],
    },
  },
  {
    policy: {
      variables: [{ name: 'bad', expression: 'object.foo' }],
      validations: [{ expression: "object.metadata.name == 'one' || variables.bad == 1" }],
    },
  },
  {
    policy: {
      variables: [{ name: 'bad', expression: 'object.foo' }],
      validations: [{ expression: 'has(variables.bad)' }],
    },
  },
  {
    policy: {
      variables: [
        { name: 'l', expression: '[1, 2]' },
        { name: 'm', expression: "{'a': 1}" },
      ],
      validations: [{ expression: "variables.l[0] == variables.m['a'] && variables.l.all(x, x > 1)" }],
    },
  },
  { policy: { auditAnnotations: [{ key: 'a', valueExpression: "'x'" }], validations: [{ expression: 'true' }] } },
  {
    policy: {
      auditAnnotations: [{ key: 'a', valueExpression: "object.foo + 'x'" }],
      validations: [{ expression: 'true' }],
    },
  },
  {
    policy: {
      failurePolicy: 'Ignore',
      auditAnnotations: [{ key: 'a', valueExpression: "object.foo + 'x'" }],
      validations: [{ expression: 'true' }],
    },
  },
  {
    policy: {
      auditAnnotations: [{ key: 'a', valueExpression: "object.foo + 'x'" }],
      validations: [{ expression: 'true' }],
    },
    binding: { validationActions: ['Audit'] },
  },
  {
    policy: {
      validations: [{ expression: "namespaceObject == null || namespaceObject.metadata.labels.env == 'dev'" }],
    },
    undecided: true,
  },
  { policy: { validations: [{ expression: "has(request.namespace) && request.namespace == 'default'" }] } },
  { policy: { validations: [{ expression: "request.resource.resource == 'configmaps'" }] } },
  // parameters
  {
    policy: {
      paramKind: { apiVersion: 'v1', kind: 'ConfigMap' },
      validations: [
        { expression: 'object.metadata.name == params.data.name', messageExpression: "'not ' + params.data.name" },
      ],
    },
    binding: { paramRef: { name: 'params', namespace: 'default', parameterNotFoundAction: 'Deny' } },
  },
  { policy: { paramKind: { apiVersion: 'v1', kind: 'ConfigMap' }, validations: [{ expression: 'params == null' }] } },
  {
    policy: {
      paramKind: { apiVersion: 'v1', kind: 'ConfigMap' },
      validations: [{ expression: "params.data.name == 'one'" }],
    },
    match: { resourceRules: [rule({ scope: 'Namespaced' })] },
    binding: { paramRef: { name: 'params', parameterNotFoundAction: 'Allow' } },
    undecided: true,
  },
]

const PARAMS: JsonObject = {
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: 'params', namespace: 'default' },
  data: { name: 'one' },
}

const configMap = (name: string, namespace: string, labels: JsonObject = {}): JsonObject => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace, labels },
})

const HPA = (version: string): JsonObject => ({
  apiVersion: `autoscaling/${version}`,
  kind: 'HorizontalPodAutoscaler',
  metadata: { name: 'one', namespace: 'default' },
  spec: { maxReplicas: 1, scaleTargetRef: { kind: 'Deployment', name: 'a', apiVersion: 'apps/v1' } },
})

test('CI and the API server agree where a policy applies, under which bindings, and what it says', async (t) => {
  const prod = await cluster.freshNamespace('policies')
  const elsewhere = await cluster.freshNamespace('policies')
  await cluster.api('PATCH', `/api/v1/namespaces/${prod}`, {
    body: { metadata: { labels: { env: 'prod', zone: 'a' } } },
    contentType: 'application/merge-patch+json',
  })
  await cluster.api('POST', '/api/v1/namespaces/default/configmaps', { body: PARAMS })
  const named = (name: string, labels: JsonObject): JsonObject => ({
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name, labels },
  })
  const objects = [
    configMap('one', 'default', { tier: 'web' }),
    configMap('two', 'default'),
    configMap('one', prod),
    configMap('two', elsewhere, { tier: 'db' }),
    { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'one', namespace: 'default' } },
    named(`new-${prod}`, { env: 'prod', tier: 'web' }),
    { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole', metadata: { name: `one-${prod}` }, rules: [] },
    HPA('v1'),
    HPA('v2'),
  ]
  const cases = CASES.map((one, i) => ({ ...one, name: `${prod}-${i}`, documents: documentsOf(one, `${prod}-${i}`) }))
  const sentinel = { name: `${prod}-last`, documents: documentsOf({}, `${prod}-last`) }
  // Other tests have this cluster too.
  t.after(async () => {
    for (const path of ['validatingadmissionpolicybindings', 'validatingadmissionpolicies'])
      await inParallel([...cases, sentinel], AT_ONCE, ({ name }) => cluster.api('DELETE', `${API}/${path}/${name}`))
  })
  for (const { documents } of [...cases, sentinel])
    for (const document of documents) {
      const path =
        document.kind === 'ValidatingAdmissionPolicy'
          ? 'validatingadmissionpolicies'
          : 'validatingadmissionpolicybindings'
      const answer = await cluster.api('POST', `${API}/${path}`, { body: document })
      assert.equal(answer.status, 201, `${JSON.stringify(document)}: ${field(answer.body, 'message')}`)
    }
  await cluster.eventually(
    'the last policy',
    async () => (await serverSays(objects[0] ?? {}, sentinel.name)) !== 'allowed',
  )

  const around = [named('default', {}), named(prod, { env: 'prod', zone: 'a' })]
  const differences: string[] = []
  let compared = 0
  await inParallel(cases, AT_ONCE, async (one) => {
    let unsure = 0
    for (const [i, object] of objects.entries()) {
      const [ci, server] = [ciSays(object, one.name, one.documents, around), await serverSays(object, one.name)]
      compared++
      if (ci === 'undecided') unsure++
      if (ci === 'undecided' && one.undecided === true) continue
      // What a message says of a Secret is not made, lest it quote a value.
      const hidden = object.kind === 'Secret' && JSON.stringify(one.policy ?? {}).includes('messageExpression')
      if (hidden) assert.match(ci, /^(?:allowed|error|plain|failed expression: .*)$/)
      else if (ci !== server)
        differences.push(`${JSON.stringify({ ...one, documents: 0 })} of ${i}: CI ${ci}; server ${server}`)
    }
    if (one.undecided === true && (unsure === 0 || unsure > 3)) differences.push(`${one.name}: undecided for ${unsure}`)
  })
  assert.deepEqual(differences, [])
  assert.ok(compared > 500, `${compared}`)
})

/** A policy and its binding, which look at objects of this case only. */
function documentsOf(
  { policy = {}, match = { resourceRules: [rule()] }, binding = {} }: Case,
  name: string,
): readonly JsonObject[] {
  const conditions = Array.isArray(policy.matchConditions) ? policy.matchConditions : []
  const own = { name: 'case', expression: `object.metadata.?annotations[?'case'].orValue('') == '${name}'` }
  const spec = {
    validations: [{ expression: 'false', message: 'no' }],
    ...policy,
    matchConstraints: match,
    matchConditions: [own, ...conditions],
  }
  return [
    { ...META, kind: 'ValidatingAdmissionPolicy', metadata: { name }, spec },
    {
      ...META,
      kind: 'ValidatingAdmissionPolicyBinding',
      metadata: { name },
      spec: { policyName: name, validationActions: ['Deny'], ...binding },
    },
  ]
}

/** The object of a case, with what the puller adds, or without. */
function sent(
  object: JsonObject,
  name: string,
  added: { readonly labels?: JsonObject; readonly annotations?: JsonObject } = {},
): JsonObject {
  const metadata = isJsonObject(object.metadata) ? object.metadata : {}
  const labels = { ...(isJsonObject(metadata.labels) ? metadata.labels : {}), ...added.labels }
  return { ...object, metadata: { ...metadata, labels, annotations: { case: name, ...added.annotations } } }
}

async function serverSays(object: JsonObject, name: string): Promise<Said> {
  const { resource, namespaced } = kubernetes.builtins.kinds.get(`${object.apiVersion} ${object.kind}`) ?? assert.fail()
  const namespace = namespaced ? `/namespaces/${field(object, 'metadata', 'namespace')}` : ''
  const root = String(object.apiVersion).includes('/') ? `/apis/${object.apiVersion}` : `/api/${object.apiVersion}`
  const added = {
    labels: { 'applyset.kubernetes.io/part-of': 'applyset-x-v1' },
    annotations: { 'waybill.dev/claim': 'x' },
  }
  const answer = await cluster.api('POST', `${root}${namespace}/${resource}?dryRun=All`, {
    body: sent(object, name, added),
  })
  if (answer.status === 201) return 'allowed'
  const message = String(field(answer.body, 'message'))
  const denied = /denied request: ([\s\S]*)$/.exec(message)?.[1]
  assert.ok(denied !== undefined, message)
  return / resulted in error: /.test(denied) ? 'error' : denied
}

function ciSays(
  object: JsonObject,
  name: string,
  policies: readonly JsonObject[],
  around: readonly JsonObject[],
): Said {
  const rendered = (one: JsonObject, environment: string): RenderedObject => ({
    environment,
    origin: { file: 'a.yaml', path: [] },
    object: one,
  })
  const takesParams = policies.some((one) => isJsonObject(one.spec) && one.spec.paramKind !== undefined)
  const folder = takesParams ? [...policies, PARAMS] : policies
  const { faults } = checkPolicies(
    {
      environments: { dev: [...around, sent(object, name)].map((one) => rendered(one, 'dev')) },
      policies: folder.map((one) => rendered(one, '')),
      faults: [],
      tools: {},
    },
    settings,
    kubernetes,
  )
  const [fault] = faults
  if (fault === undefined) return 'allowed'
  if (fault.code === 'ADMISSION_UNDECIDED') return 'undecided'
  assert.equal(fault.code, 'ADMISSION_DENIED', fault.message)
  if (/ cannot be evaluated/.test(fault.message)) return 'error'
  return fault.message.replace(/^policy \S+, binding \S+(?: \(.*?\))?: /, '')
}
