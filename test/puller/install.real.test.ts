import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { installObjects } from '../../puller/install/install.ts'
import { printYaml } from '../../puller/install/print.ts'
import { loadPullerKeys } from '../../puller/records/keys.ts'
import { type ControlPlane, field } from '../real/control-plane.ts'
import { addTenant, asPuller, PULLER_NAMESPACE, startInstalled } from './installed.ts'
import { A } from './records/records-fixture.ts'

let plane: ControlPlane
let namespace: string
before(async () => {
  plane = await startInstalled({ controllers: false })
  namespace = await plane.freshNamespace()
})
after(() => plane?.stop())

const GROUP = '/apis/waybill.dev/v1alpha1'
const source = { repository: 'registry.example.com/acme/shop', channel: 'production' }

async function create(kind: string, spec: unknown) {
  const scope = kind === 'TrustPolicy' ? '' : `/namespaces/${namespace}`
  const plural = { Delivery: 'deliveries', TrustPolicy: 'trustpolicies' }[kind]
  const body = { apiVersion: 'waybill.dev/v1alpha1', kind, metadata: { generateName: 'one-' }, spec }
  return plane.api('POST', `${GROUP}${scope}/${plural}`, { body })
}
const messageOf = (body: unknown) => String(field(body, 'message'))

test('applying what install prints a second time changes nothing', async () => {
  const before = await plane.runKubectl(['get', 'crd,clusterrole,validatingadmissionpolicies', '-o', 'json'])
  await plane.runKubectl(['apply', '--server-side', '-f', '-'], {
    input: printYaml(installObjects({ crdsOnly: true })),
  })
  const versions = (text: string) => [...text.matchAll(/"generation": \d+/g)].join()
  const after = await plane.runKubectl(['get', 'crd,clusterrole,validatingadmissionpolicies', '-o', 'json'])
  assert.equal(versions(after), versions(before))
})

test('the API server finds the kinds’ schemas structural', async () => {
  const crds = JSON.parse(await plane.runKubectl(['get', 'crd', '-o', 'json']))
  assert.equal(crds.items.length, 4)
  for (const crd of crds.items)
    assert.deepEqual(
      crd.status.conditions.filter((one: { type: string }) => one.type === 'NonStructuralSchema'),
      [],
    )
})

describe('a Delivery', () => {
  test('gets its defaults from the API server', async () => {
    const { status, body } = await create('Delivery', { source })
    assert.equal(status, 201, messageOf(body))
    assert.deepEqual(field(body, 'spec'), {
      source,
      serviceAccountName: 'waybill',
      interval: '1m',
      sync: 'automatic',
      onFailure: 'hold',
      drift: 'correct',
      compareInterval: '1h',
      prune: { enabled: true, maxPercent: 30 },
      adopt: 'never',
      deletion: 'orphan',
    })
  })

  test('may name a digest and its environment, a mirror, Secrets and a hold', async () => {
    const { status, body } = await create('Delivery', {
      source: {
        repository: source.repository,
        digest: A,
        mirrorOf: 'ghcr.io/acme/shop',
        pullSecret: { name: 'pull' },
        caSecret: { name: 'ca' },
      },
      environment: 'production',
      prune: { enabled: false },
      hold: { digest: A, reason: 'it broke', until: '2027-01-01T00:00:00Z' },
      suspend: { reason: 'freeze', until: '2027-01-01T00:00:00+02:00' },
      sync: 'approve',
      windows: [{ kind: 'allow', start: '0 6 * * 1-5', duration: '10h', timeZone: 'Europe/Berlin' }],
      dependsOn: [{ name: 'base', namespace: 'platform', version: '>=1.2' }],
      timeout: '10m',
      health: [{ kind: 'Certificate.cert-manager.io', current: 'status.ready', failed: 'status.failed' }],
      force: { kinds: ['Job.batch'] },
      ignore: [{ kind: 'Deployment.apps', name: 'api*', fields: ['/spec/replicas'] }],
      unmanaged: { namespaces: ['shop'], policy: 'report', ignore: [{ kind: 'Secret' }] },
      notifications: [{ name: 'chat', type: 'slack', secret: { name: 'chat' } }],
    })
    assert.equal(status, 201, messageOf(body))
    assert.equal(field(body, 'spec', 'prune', 'maxPercent'), 30)
  })

  for (const [what, spec, says] of [
    [
      'a channel and a digest',
      { source: { ...source, digest: A }, environment: 'x' },
      /exactly one of channel, version and digest/,
    ],
    [
      'a channel and a version',
      { source: { ...source, version: '>=1' } },
      /exactly one of channel, version and digest/,
    ],
    [
      'a version and a digest',
      { source: { repository: source.repository, version: '>=1', digest: A }, environment: 'x' },
      /exactly one of channel, version and digest/,
    ],
    [
      'neither channel, version nor digest',
      { source: { repository: source.repository }, environment: 'x' },
      /exactly one of channel, version and digest/,
    ],
    [
      'a digest without an environment',
      { source: { repository: source.repository, digest: A } },
      /environment is required with a version or a digest/,
    ],
    [
      'a version without an environment',
      { source: { repository: source.repository, version: '>=1' } },
      /environment is required with a version or a digest/,
    ],
    [
      'a version that no range is written like',
      { source: { repository: source.repository, version: 'newest!' }, environment: 'x' },
      /spec.source.version.*: has to be a version range such as >=1.4 <2/,
    ],
    [
      'a schedule of six fields',
      { source, schedule: '0 * * * * *' },
      /spec.schedule.*: has to be a cron expression of five fields/,
    ],
    ['a schedule with its zone in it', { source, schedule: 'CRON_TZ=UTC 0 6 * * *' }, /spec.schedule/],
    [
      'a schedule for a digest',
      { source: { repository: source.repository, digest: A }, environment: 'x', schedule: '0 6 * * *' },
      /schedule goes with a channel or a version/,
    ],
    ['a time zone without a schedule', { source, timeZone: 'Europe/Berlin' }, /timeZone goes with a schedule/],
    [
      'a suspension until no time',
      { source, suspend: { until: 'tomorrow' } },
      /spec.suspend.until.*: has to be a time such as /,
    ],
    ['a hold until no time', { source, hold: { digest: A, until: '2027-01-01' } }, /spec.hold.until/],
    [
      'a window of six fields',
      { source, windows: [{ kind: 'allow', start: '0 * * * * *', duration: '1h' }] },
      /spec.windows\[0\].start.*: has to be a cron expression/,
    ],
    [
      'a window of two days',
      { source, windows: [{ kind: 'allow', start: '0 6 * * *', duration: '2d' }] },
      /spec.windows\[0\].duration.*: has to be a duration such as /,
    ],
    [
      'a field to ignore that is no pointer',
      { source, ignore: [{ fields: ['spec.replicas'] }] },
      /spec.ignore\[0\].fields\[0\].*: has to be a JSON pointer such as /,
    ],
    [
      'our label to ignore',
      { source, ignore: [{ fields: ['/metadata/labels/applyset.kubernetes.io~1part-of'] }] },
      /spec.ignore\[0\].fields\[0\].*: Waybill knows its objects by this/,
    ],
    [
      'a kind to force without its name',
      { source, force: { kinds: ['batch'] } },
      /spec.force.kinds.*: has to be a kind and its group/,
    ],
    ['another deletion', { source, deletion: 'maybe' }, /Unsupported value/],
    [
      'a digest of another form',
      { source: { repository: source.repository, digest: 'sha512:00' }, environment: 'x' },
      /spec.source.digest.*: has to be a digest sha256:<64 hex digits>/,
    ],
    [
      'a tag in the repository',
      { source: { ...source, repository: 'registry.example.com/acme/shop:latest' } },
      /spec.source.repository.*: has to be host\[:port\]\/path, without a tag or digest/,
    ],
    [
      'a digest in the mirrored repository',
      { source: { ...source, mirrorOf: `ghcr.io/acme/shop@${A}` } },
      /spec.source.mirrorOf.*: has to be host/,
    ],
    ['a version for a channel', { source: { ...source, channel: 'v1' } }, /neither a version nor a digest/],
    [
      'an account that is no name',
      { source, serviceAccountName: 'a:b' },
      /spec.serviceAccountName.*: has to be a name of /,
    ],
    [
      'a channel in capitals',
      { source: { ...source, channel: 'Production' } },
      /spec.source.channel.*: has to be a channel name such as production/,
    ],
    ['an interval without a unit', { source, interval: '60' }, /spec.interval.*: has to be a duration such as 30s/],
    ['an interval in words', { source, interval: '30 seconds' }, /spec.interval.*: has to be a duration such as 30s/],
    ['an interval of seven digits', { source, interval: '1000000s' }, /spec.interval.*: has to be a duration/],
    ['no time out', { source, timeout: '0s' }, /spec.timeout.*: has to be a duration/],
    [
      'a hold at a digest of another length',
      { source, hold: { digest: `${A}0` } },
      /spec.hold.digest.*: has to be a digest sha256/,
    ],
    ['more than all in percent', { source, prune: { maxPercent: 101 } }, /spec.prune.maxPercent/],
    ['no source', {}, /spec.source/],
    ['no spec', undefined, /spec: Required/],
  ] as const)
    test(`with ${what} is refused`, async () => {
      const { status, body } = await create('Delivery', spec)
      assert.equal(status, 422, messageOf(body))
      assert.match(messageOf(body), says)
      assert.doesNotMatch(messageOf(body), /should match/)
    })

  for (const repository of ['localhost/shop', '127.0.0.1:5000/a/b_c', '[::1]:5000/shop', 'ghcr.io/acme/shop.web--x'])
    test(`may come from ${repository}`, async () => {
      const { status, body } = await create('Delivery', { source: { ...source, repository } })
      assert.equal(status, 201, messageOf(body))
    })

  test('may have durations of one to six digits', async () => {
    for (const [interval, timeout] of [
      ['1s', '999999h'],
      ['10m', '24h'],
    ]) {
      const { status, body } = await create('Delivery', { source, interval, timeout })
      assert.equal(status, 201, messageOf(body))
    }
  })

  test('with an unknown field is refused by kubectl', async () => {
    const input = JSON.stringify({
      apiVersion: 'waybill.dev/v1alpha1',
      kind: 'Delivery',
      metadata: { name: 'typo', namespace },
      spec: { source, intervall: '1m' },
    })
    await assert.rejects(plane.runKubectl(['create', '-f', '-'], { input }), /unknown field "spec.intervall"/)
  })

  test('is shown by kubectl with what a person wants to know', async () => {
    const table = await plane.runKubectl(['get', 'wd', '-A'])
    assert.match(table, /NAMESPACE +NAME +RUNS +SINCE +READY +REASON +DRIFTED +AGE/)
    assert.match(await plane.runKubectl(['explain', 'delivery.spec.hold']), /until it is lifted/)
  })
})

describe('a TrustPolicy', () => {
  const key = { pem: '-----BEGIN PUBLIC KEY-----' }
  const policy = {
    repositories: ['registry.example.com/acme/**'],
    authorities: [{ name: 'ci', key }],
    require: { signature: { by: ['ci'] }, promotion: { by: ['ci'] } },
  }

  test('is accepted, and its authorities are active unless it says otherwise', async () => {
    const { status, body } = await create('TrustPolicy', policy)
    assert.equal(status, 201, messageOf(body))
    assert.equal(field(body, 'spec', 'authorities', 0, 'state'), 'active')
  })

  for (const [what, change, says] of [
    [
      'two authorities of one name',
      {
        authorities: [
          { name: 'ci', key },
          { name: 'ci', key },
        ],
      },
      /Duplicate value/,
    ],
    ['an authority without a key', { authorities: [{ name: 'ci' }] }, /an authority needs a key/],
    ['a keyless authority', { authorities: [{ name: 'ci', keyless: { issuer: 'x' } }] }, /keyless is not built yet/],
    [
      'a signature by nobody that it names',
      { require: { signature: { by: ['me'] } } },
      /require.signature.by names who is no authority/,
    ],
    [
      'provenance by nobody that it names',
      { require: { signature: { by: ['ci'] }, provenance: { by: ['me'] } } },
      /require.provenance.by/,
    ],
    [
      'releases by nobody that it names',
      { require: { signature: { by: ['ci'] }, release: { by: ['me'] } } },
      /require.release.by/,
    ],
    [
      'promotions by nobody that it names',
      { require: { signature: { by: ['ci'] }, promotion: { by: ['ci', 'me'] } } },
      /require.promotion.by/,
    ],
    ['no signature asked for', { require: {} }, /spec.require.signature/],
    [
      'a pattern without a host',
      { repositories: ['**'] },
      /spec.repositories.*: has to be host\/path, with \* for a segment/,
    ],
    ['another state', { authorities: [{ name: 'ci', key, state: 'asleep' }] }, /Unsupported value/],
  ] as const)
    test(`with ${what} is refused`, async () => {
      const { status, body } = await create('TrustPolicy', { ...policy, ...change })
      assert.equal(status, 422, messageOf(body))
      assert.match(messageOf(body), says)
    })
})

describe('the puller’s own account', () => {
  test('makes its key once, however many start at a time', async () => {
    const cluster = await asPuller(plane)
    const all = await Promise.all(Array.from({ length: 5 }, () => loadPullerKeys(cluster, PULLER_NAMESPACE)))
    assert.equal(new Set(all.map(({ keyDigest }) => keyDigest)).size, 1)
    assert.equal((await loadPullerKeys(cluster, PULLER_NAMESPACE)).publicPem, all[0]?.publicPem)
    const kept = await plane.runKubectl(['get', 'configmap', 'waybill-records', '-n', PULLER_NAMESPACE, '-o', 'json'])
    assert.equal(JSON.parse(kept).data['puller.pub'], all[0]?.publicPem)
    await cluster.close()
  })

  test('may do what it needs, and no more', async () => {
    const tenant = await addTenant(plane, 'team-a')
    const kubeconfig = await plane.serviceAccountKubeconfig(PULLER_NAMESPACE, 'waybill-puller')
    const can = async (...question: string[]) => {
      const asked = plane.runKubectl(['auth', 'can-i', ...question], { kubeconfig })
      return (await asked.catch(String)).trim() === 'yes'
    }
    for (const yes of [
      ['watch', 'deliveries.waybill.dev', '-A'],
      ['patch', 'deliveries.waybill.dev', '--subresource=status', '-A'],
      ['watch', 'trustpolicies.waybill.dev'],
      ['create', 'deliveryrecords.waybill.dev', '-A'],
      ['delete', 'deliveryrecords.waybill.dev', '-A'],
      ['update', 'deliveryinventories.waybill.dev', '-A'],
      ['create', 'events', '-A'],
      ['patch', 'deliveries.waybill.dev', '-A'],
      ['create', 'leases.coordination.k8s.io', '-n', PULLER_NAMESPACE],
      ['get', 'secrets/waybill-puller-key', '-n', PULLER_NAMESPACE],
      ['patch', 'configmaps/waybill-records', '-n', PULLER_NAMESPACE],
      ['get', 'serviceaccounts/waybill', '-n', tenant],
      ['impersonate', 'serviceaccounts/waybill', '-n', tenant],
      ['get', '/apis'],
    ])
      assert.equal(await can(...yes), true, yes.join(' '))
    for (const no of [
      ['update', 'deliveryrecords.waybill.dev', '-A'],
      ['create', 'deliveries.waybill.dev', '-A'],
      ['update', 'trustpolicies.waybill.dev'],
      ['get', 'secrets/other', '-n', PULLER_NAMESPACE],
      ['list', 'secrets', '-n', PULLER_NAMESPACE],
      ['delete', 'secrets/waybill-puller-key', '-n', PULLER_NAMESPACE],
      ['get', 'secrets', '-n', tenant],
      ['get', 'configmaps', '-n', tenant],
      ['create', 'deployments.apps', '-n', tenant],
      ['impersonate', 'serviceaccounts/default', '-n', tenant],
      ['impersonate', 'serviceaccounts/waybill', '-n', 'default'],
      ['impersonate', 'users'],
      ['impersonate', 'groups'],
      ['create', 'leases.coordination.k8s.io', '-n', tenant],
      ['delete', 'leases.coordination.k8s.io', '-n', PULLER_NAMESPACE],
      ['delete', 'deliveries.waybill.dev', '-A'],
      ['create', 'clusterrolebindings.rbac.authorization.k8s.io'],
    ])
      assert.equal(await can(...no), false, no.join(' '))
  })

  test('acts as the tenant’s account, which can do what it needs in its own namespace and nowhere else', async () => {
    const [own, other] = [await addTenant(plane, 'team-b'), await addTenant(plane, 'team-c')]
    const cluster = await asPuller(plane)
    const as = (namespace: string, serviceAccount = 'waybill') => ({ namespace, serviceAccount })
    const apply = async (
      by: ReturnType<typeof as>,
      path: string,
      body: { kind: string; apiVersion: string; metadata: { name: string } },
    ) =>
      (
        await cluster.request(by, {
          method: 'PATCH',
          path: `${path}/${body.metadata.name}`,
          query: { fieldManager: 'waybill' },
          contentType: 'application/apply-patch+yaml',
          body: { ...body, rules: [{ apiGroups: [''], resources: ['secrets'], verbs: ['get'] }] },
        })
      ).status
    const role = { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'Role', metadata: { name: 'reader' } }
    const roles = (namespace: string) => `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}/roles`
    assert.equal(await apply(as(own), roles(own), role), 201)
    assert.equal(await apply(as(own), roles(other), role), 403)
    assert.equal(await apply(as(own, 'default'), roles(own), role), 403)
    const clusterRole = { ...role, kind: 'ClusterRole' }
    assert.equal(await apply(as(own), '/apis/rbac.authorization.k8s.io/v1/clusterroles', clusterRole), 403)
    const secrets = (namespace: string) => ({ method: 'GET', path: `/api/v1/namespaces/${namespace}/secrets` }) as const
    assert.equal((await cluster.request(as(own), secrets(own))).status, 200)
    assert.equal((await cluster.request(as(own), secrets(other))).status, 403)
    assert.equal((await cluster.request('puller', secrets(own))).status, 403)
    await cluster.close()
  })

  test('cannot have the tenant’s account deliver a Role with more rights than it has', async () => {
    const own = await addTenant(plane, 'team-d')
    const cluster = await asPuller(plane)
    const { status } = await cluster.request(
      { namespace: own, serviceAccount: 'waybill' },
      {
        method: 'POST',
        path: `/apis/rbac.authorization.k8s.io/v1/namespaces/${own}/roles`,
        body: {
          apiVersion: 'rbac.authorization.k8s.io/v1',
          kind: 'Role',
          metadata: { name: 'more' },
          rules: [{ apiGroups: [''], resources: ['resourcequotas'], verbs: ['delete'] }],
        },
      },
    )
    assert.equal(status, 403)
    await cluster.close()
  })
})
