import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { groupOf, type KubeObject } from '../../../contract/artifact/objects.ts'
import { isJsonObject, type JsonObject } from '../../../contract/canonical-json.ts'
import { deliveryObject } from '../../../puller/install/delivery.ts'
import { installObjects } from '../../../puller/install/install.ts'
import { printYaml } from '../../../puller/install/print.ts'
import { tenantObjects } from '../../../puller/install/tenant.ts'
import { KEY_SECRET, RECORDS_CONFIG_MAP } from '../../../puller/records/keys.ts'
import { type ControlPlane, field, startControlPlane } from '../../real/control-plane.ts'
import { PULLER_NAMESPACE } from '../installed.ts'
import { newSigningKey, policySpec } from '../release-fixture.ts'

const ACCOUNT = `system:serviceaccount:${PULLER_NAMESPACE}:waybill`
const FOLLOWED = 'registry.example.com/acme/platform:production'

/** Everything that `install` can print at once. */
const INSTALL = installObjects({
  crdsOnly: false,
  image: `registry.example.com/waybill/puller@sha256:${'a'.repeat(64)}`,
  attribution: true,
  guard: { groups: ['people'] },
  shared: [{ group: 'apps', kind: 'Deployment', plural: 'deployments' }],
  serviceMonitor: true,
  egressPorts: [5000],
  ca: 'a certificate',
  pullSecret: 'registry',
  selfUpdate: FOLLOWED,
})
const PLATFORM: readonly KubeObject[] = [
  ...INSTALL,
  ...tenantObjects({ name: 'shop', apiGroups: ['cert-manager.io'] }),
  deliveryObject({ name: 'shop', namespace: 'shop', followed: 'registry.example.com/acme/shop:production' }),
  trustPolicy(),
]
function trustPolicy(): KubeObject {
  const spec = policySpec('registry.example.com', newSigningKey())
  const plain: unknown = JSON.parse(JSON.stringify(spec))
  assert.ok(isJsonObject(plain))
  return { apiVersion: 'waybill.dev/v1alpha1', kind: 'TrustPolicy', metadata: { name: 'shop' }, spec: plain }
}

const isAccounts = ({ kind, metadata: { name } }: KubeObject) =>
  kind === 'Namespace' || name === 'waybill' || name === 'waybill-self-update' || name === 'waybill-puller-waybill'
const isKind = ({ kind }: KubeObject) => kind === 'CustomResourceDefinition'
/** Of the Prometheus operator, as far as an object of it can be there. */
const SERVICE_MONITORS: KubeObject = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'servicemonitors.monitoring.coreos.com' },
  spec: {
    group: 'monitoring.coreos.com',
    names: { kind: 'ServiceMonitor', plural: 'servicemonitors' },
    scope: 'Namespaced',
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
      },
    ],
  },
}

describe('the account that a release of the platform is applied as', () => {
  let plane: ControlPlane
  before(async () => {
    plane = await startControlPlane({ controllers: false, scheduler: false, kwok: false })
    await apply([SERVICE_MONITORS, ...INSTALL.filter((one) => isAccounts(one) && one.kind !== 'Delivery')])
  })
  after(() => plane?.stop())

  const apply = (objects: readonly KubeObject[], ...as: string[]) =>
    plane.runKubectl(['apply', '--server-side', '--force-conflicts', ...as, '-f', '-'], { input: printYaml(objects) })
  const may = async (verb: string, attributes: JsonObject) => {
    const spec = { user: ACCOUNT, resourceAttributes: { verb, ...attributes } }
    const path = '/apis/authorization.k8s.io/v1/subjectaccessreviews'
    return field((await plane.api('POST', path, { body: { spec } })).body, 'status', 'allowed') === true
  }

  test('may make and change everything that install and tenant print, with all flags, Deliveries and TrustPolicies', async () => {
    await apply(PLATFORM.filter(isKind), `--as=${ACCOUNT}`)
    await plane.runKubectl(['wait', '--for=condition=Established', '--timeout=30s', 'crd', '--all'])
    const text = await apply(PLATFORM, `--as=${ACCOUNT}`)
    assert.equal(text.trim().split('\n').length, PLATFORM.length)
  })

  test('may watch and prune them', async () => {
    const not: string[] = []
    for (const { apiVersion, kind, metadata } of PLATFORM) {
      const { name, namespace = '' } = metadata
      const resource = `${kind.toLowerCase()}s`.replace(/ys$/, 'ies')
      const at = { group: groupOf(apiVersion), resource, namespace: String(namespace) }
      for (const verb of ['list', 'watch']) if (!(await may(verb, at))) not.push(`${verb} ${resource}`)
      if (!(await may('delete', { ...at, name }))) not.push(`delete ${resource} ${name}`)
    }
    assert.deepEqual(not, [])
  })

  test('has no right to the records, their heads, the puller’s key, tokens or pods', async () => {
    const here = { namespace: PULLER_NAMESPACE }
    for (const [verb, attributes] of [
      ['patch', { resource: 'configmaps', name: RECORDS_CONFIG_MAP }],
      ['delete', { resource: 'configmaps', name: RECORDS_CONFIG_MAP }],
      ['deletecollection', { resource: 'configmaps' }],
      ['get', { resource: 'secrets', name: KEY_SECRET }],
      ['create', { resource: 'secrets' }],
      ['create', { resource: 'pods' }],
      ['create', { resource: 'serviceaccounts', subresource: 'token', name: 'waybill-puller' }],
      ['impersonate', { resource: 'serviceaccounts', name: 'waybill-puller' }],
      ['patch', { group: 'coordination.k8s.io', resource: 'leases', name: 'waybill-puller' }],
      ['create', { group: 'waybill.dev', resource: 'deliveryrecords' }],
      ['patch', { group: 'waybill.dev', resource: 'deliveryinventories' }],
      ['patch', { group: 'waybill.dev', resource: 'deliveries', subresource: 'status' }],
    ] as const)
      assert.equal(await may(verb, { ...here, ...attributes }), false, `${verb} ${JSON.stringify(attributes)}`)
  })
})
