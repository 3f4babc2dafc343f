import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isJsonObject } from '../../../contract/canonical-json.ts'
import { type Fault, WaybillError } from '../../../contract/errors.ts'
import { orderOf } from '../../../contract/ordering/order.ts'
import { checkCommit } from '../../../packager/pack-commit.ts'
import { ensureTools } from '../../../tools/build.ts'
import { optionsFor, packageFile, repositoryOf } from '../repository.ts'

const { helm } = await ensureTools(['helm'])
const env = { PATH: process.env.PATH, WAYBILL_HELM: helm }
const IMAGE = `registry.example.com/shop@sha256:${'0'.repeat(64)}`
const POD = `{restartPolicy: Never, serviceAccountName: hook, containers: [{name: a, image: "${IMAGE}"}]}`

type Hooks = Readonly<Record<string, string>>

/** A hook of any kind: its `helm.sh/hook…` annotations, and others in full. */
function hook(apiVersion: string, kind: string, name: string, annotations: Hooks, rest = ''): string {
  const lines = Object.entries(annotations).map(([key, value]) => {
    const full = key.startsWith('hook') ? `helm.sh/${key}` : key
    return `    ${full}: ${JSON.stringify(value)}\n`
  })
  return `apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata:\n  name: ${name}\n  annotations:\n${lines.join('')}${rest}`
}
const job = (name: string, types: string, more: Hooks = {}) =>
  hook('batch/v1', 'Job', name, { hook: types, ...more }, `spec: {template: {spec: ${POD}}}\n`)

const DEPLOYMENT = `apiVersion: apps/v1
kind: Deployment
metadata: {name: api}
spec:
  selector: {matchLabels: {app: api}}
  template: {metadata: {labels: {app: api}}, spec: {containers: [{name: a, image: "${IMAGE}"}]}}
`
const CONFIG = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {a: b}\n'
const WEBHOOK = `apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: shop}
webhooks: [{name: a.example.com, admissionReviewVersions: [v1], sideEffects: None, clientConfig: {service: {name: a, namespace: shop}}}]
`
const BEFORE = 'pre-install,pre-upgrade'
const AFTER = 'post-install,post-upgrade'

/** What is delivered of a chart of these templates, in the order in which it is applied; or what is wrong with it. */
async function deliver(...templates: readonly string[]) {
  const environment = 'prod: {helm: {chart: charts/shop, release: shop, namespace: shop}}'
  const files = templates.map((text, i) => [`charts/shop/templates/${i}.yaml`, text])
  const repository = repositoryOf({
    'waybill.yaml': packageFile({ environments: environment, extra: '  tools: {helm: 4.3.1}\n' }),
    'charts/shop/Chart.yaml': 'apiVersion: v2\nname: shop\nversion: 1.0.0\n',
    ...Object.fromEntries(files),
  })
  const checked = await checkCommit(optionsFor(repository, { env }))
  const objects = checked.environments.prod ?? []
  const order = orderOf(objects).groups.map(({ keys }) =>
    keys.map((key) =>
      key
        .split('/')
        .filter((_, i) => i === 1 || i === 3)
        .join('/'),
    ),
  )
  const annotations = Object.fromEntries(
    objects.map(({ metadata: { name, annotations } }) => [name, isJsonObject(annotations) ? annotations : {}]),
  )
  return { order, annotations, warnings: checked.warnings.map(shown) }
}

async function refused(...templates: readonly string[]): Promise<readonly string[]> {
  try {
    await deliver(...templates)
  } catch (error) {
    assert.ok(error instanceof WaybillError && error.exit === 3, `${error}`)
    return error.faults.map(shown)
  }
  return []
}

const shown = ({ file, line, object, code, message }: Fault) =>
  `${file?.replace('charts/shop/templates/', '')}:${line} ${object}: ${message} [${code}]`

test('install and upgrade hooks become Jobs that run once for each release, before and after the rest, in the order that helm runs them in', async () => {
  const { order, annotations, warnings } = await deliver(
    DEPLOYMENT,
    CONFIG,
    job('zeta', BEFORE, { 'hook-weight': '-5' }),
    job('alpha', BEFORE),
    job('beta', 'pre-upgrade, PRE-INSTALL', { 'hook-weight': '10' }),
    job('gamma', BEFORE, { 'hook-weight': 'no number' }),
    job('omega', AFTER, { 'hook-weight': '+2' }),
    job('psi', AFTER, { 'hook-weight': '1' }),
  )
  assert.deepEqual(order, [
    ['ConfigMap/settings'],
    ...[['Job/zeta'], ['Job/alpha'], ['Job/gamma'], ['Job/beta']],
    ['Deployment/api'],
    ...[['Job/psi'], ['Job/omega']],
  ])
  assert.deepEqual(annotations.zeta, {
    'helm.sh/hook': BEFORE,
    'helm.sh/hook-weight': '-5',
    'waybill.dev/run': 'once-per-release',
    'waybill.dev/wave': '-1000',
  })
  assert.equal(annotations.omega?.['waybill.dev/wave'], '1000')
  assert.deepEqual(warnings, [])
})

test('what hooks need comes along, and is there before their Jobs run, in whatever order it is written', async () => {
  const role = hook('rbac.authorization.k8s.io/v1', 'Role', 'hook', { hook: `${BEFORE},${AFTER}`, 'hook-weight': '9' })
  const subject = 'subjects: [{kind: ServiceAccount, name: hook}]\n'
  const ref = 'roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: hook}\n'
  const { order, annotations, warnings } = await deliver(
    job('migrate', BEFORE, { 'hook-weight': '-9' }),
    hook('v1', 'ServiceAccount', 'hook', { hook: 'pre-install', 'hook-delete-policy': 'hook-succeeded' }),
    `${role}rules: [{apiGroups: [""], resources: [pods], verbs: [get]}]\n`,
    hook('rbac.authorization.k8s.io/v1', 'RoleBinding', 'hook', { hook: AFTER }, ref + subject),
    hook('v1', 'ConfigMap', 'script', { hook: 'post-install,pre-upgrade' }, 'data: {run: "true"}\n'),
    hook(
      'networking.k8s.io/v1',
      'NetworkPolicy',
      'hook',
      { hook: BEFORE, 'hook-weight': '-10' },
      'spec: {podSelector: {}}\n',
    ),
    DEPLOYMENT,
  )
  assert.deepEqual(warnings, [])
  assert.deepEqual(
    order.map((group) => group.toSorted()),
    [
      ['ConfigMap/script', 'Role/hook', 'ServiceAccount/hook'],
      ['RoleBinding/hook'],
      ['NetworkPolicy/hook'],
      ['Job/migrate'],
      ['Deployment/api'],
    ],
  )
  assert.deepEqual(annotations.script, { 'helm.sh/hook': 'post-install,pre-upgrade' })
})

test('hooks that come after the rest come after its webhooks too, which no wave could say', async () => {
  const { order, annotations } = await deliver(
    WEBHOOK,
    DEPLOYMENT,
    job('patch', AFTER, { 'waybill.dev/depends-on': 'apps/Deployment/api' }),
    job('last', AFTER, { 'hook-weight': '1' }),
    job('create', BEFORE),
  )
  assert.deepEqual(order, [
    ['Job/create'],
    ['Deployment/api'],
    ['ValidatingWebhookConfiguration/shop'],
    ['Job/patch'],
    ['Job/last'],
  ])
  assert.equal(
    annotations.patch?.['waybill.dev/depends-on'],
    'apps/Deployment/api,admissionregistration.k8s.io/ValidatingWebhookConfiguration/shop',
  )
})

test('deletion policies are kept: after success, after failure, or with the next release', async () => {
  const policies = ['', 'before-hook-creation', 'hook-succeeded', 'before-hook-creation, HOOK-FAILED,hook-succeeded']
  const { annotations } = await deliver(
    ...policies.map((policy, i) => job(`job-${i}`, BEFORE, policy === '' ? {} : { 'hook-delete-policy': policy })),
  )
  assert.deepEqual(
    policies.map((_, i) => annotations[`job-${i}`]?.['waybill.dev/run-cleanup']),
    [undefined, undefined, 'succeeded', 'succeeded,failed'],
  )
})

test('what a hook says of itself counts: its wave, whatever it is for, and everything else that it has', async () => {
  const { order, annotations } = await deliver(
    DEPLOYMENT,
    job('init', 'post-install', {
      'waybill.dev/wave': '-1',
      'waybill.dev/run-cleanup': 'failed',
      'hook-delete-policy': 'hook-succeeded',
    }),
    hook('v1', 'Service', 'probe', { hook: 'pre-install', 'waybill.dev/wave': '3' }, 'spec: {ports: [{port: 80}]}\n'),
  )
  assert.deepEqual(order, [['Job/init'], ['Deployment/api'], ['Service/probe']])
  assert.deepEqual(annotations.init, {
    'helm.sh/hook': 'post-install',
    'helm.sh/hook-delete-policy': 'hook-succeeded',
    'waybill.dev/run': 'once-per-release',
    'waybill.dev/run-cleanup': 'failed',
    'waybill.dev/wave': '-1',
  })
})

test('a hook that would mean something else here is refused, with its place', async () => {
  assert.deepEqual(
    await refused(
      job('a', 'pre-install'),
      job('b', 'test,post-upgrade'),
      job('c', 'post-install,pre-upgrade'),
      hook('v1', 'Secret', 'd', { hook: 'pre-install,pre-rollback' }),
      hook('v1', 'Pod', 'e', { hook: BEFORE }, `spec: ${POD}\n`),
      hook(
        'v1',
        'PersistentVolumeClaim',
        'f',
        { hook: BEFORE },
        'spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}\n',
      ),
    ),
    [
      '0.yaml:6 Job.batch shop/a: a pre-install hook is for installs only, and here it is part of every release [HOOK_UNSUPPORTED]',
      '1.yaml:6 Job.batch shop/b: a post-upgrade hook is for upgrades only, and here it is part of every release [HOOK_UNSUPPORTED]',
      '2.yaml:6 Job.batch shop/c: a post-install, pre-upgrade hook runs before the rest or after it; here every release has it at one place [HOOK_UNSUPPORTED]',
      '3.yaml:6 Secret shop/d: a pre-install hook is for installs only, and here it is part of every release [HOOK_UNSUPPORTED]',
      '4.yaml:6 Pod shop/e: a pre-install, pre-upgrade hook of kind Pod: only Jobs run, and it would stay and change with each release [HOOK_UNSUPPORTED]',
      '5.yaml:6 PersistentVolumeClaim shop/f: a pre-install, pre-upgrade hook of kind PersistentVolumeClaim: only Jobs run, and it would stay and change with each release [HOOK_UNSUPPORTED]',
    ],
  )
})

test('hooks of deletions and of rollbacks alone are left out, and check warns of them', async () => {
  const { order, warnings } = await deliver(
    DEPLOYMENT,
    job('goodbye', 'pre-delete,test'),
    job('back', 'post-rollback'),
    job('always', `${AFTER},post-rollback,post-delete`),
  )
  assert.deepEqual(order, [['Deployment/api'], ['Job/always']])
  assert.deepEqual(warnings, [
    '1.yaml:6 Job.batch shop/goodbye: a pre-delete hook does not run here: nothing runs when objects are deleted [HOOK_LEFT_OUT]',
    '2.yaml:6 Job.batch shop/back: a post-rollback hook does not run here: going back is a release like others [HOOK_LEFT_OUT]',
    '3.yaml:6 Job.batch shop/always: a post-delete hook does not run here: nothing runs when objects are deleted [HOOK_LEFT_OUT]',
  ])
})
