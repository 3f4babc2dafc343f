import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { tempFolder } from '../packager/repository.ts'
import { field } from '../real/control-plane.ts'
import { assertFails, waybillHere } from './command.ts'

const DIGEST = `sha256:${'a'.repeat(64)}`
const IMAGE = `registry.example.com/waybill/puller@${DIGEST}`

type Printed = { readonly kind: string; readonly metadata: { readonly name: string; readonly namespace?: string } }

async function printed(...args: readonly string[]): Promise<{ readonly items: readonly Printed[]; stderr: string }> {
  const ran = await waybillHere(['install', ...args, '--output', 'json'])
  assert.equal(ran.status, 0, ran.stdout + ran.stderr)
  return { items: JSON.parse(ran.stdout).items, stderr: ran.stderr }
}

const kinds = ({ items }: { readonly items: readonly Printed[] }) => items.map(({ kind }) => kind)
const OF_THE_PULLER = ['NetworkPolicy', 'Service', 'PodDisruptionBudget', 'Deployment']

describe('install', () => {
  test('prints all that a cluster needs, and every object of it can be found again by one label', async () => {
    const whole = await printed('--image', IMAGE)
    assert.deepEqual(kinds(whole).slice(-4), OF_THE_PULLER)
    assert.equal(whole.stderr, '')
    for (const { kind, metadata } of whole.items)
      assert.equal(field(metadata, 'labels', 'app.kubernetes.io/part-of'), 'waybill', `${kind} ${metadata.name}`)
  })

  test('brings what was asked for besides, in the same output', async () => {
    const more = await printed('--image', IMAGE, '--attribution', '--guard', '--service-monitor')
    const plain = kinds(await printed('--image', IMAGE))
    assert.deepEqual(
      kinds(more).filter((kind) => !plain.includes(kind)),
      ['MutatingAdmissionPolicy', 'MutatingAdmissionPolicyBinding', 'ServiceMonitor'],
    )
    assert.ok(more.items.some(({ metadata }) => metadata.name === 'waybill-guard'))
    assert.ok(!kinds(await printed('--crds-only', '--attribution')).includes('Deployment'))
  })

  test('tells the puller what it was installed with', async () => {
    const { items } = await printed(
      '--image',
      IMAGE,
      '--namespace',
      'ops',
      '--guard',
      '--plain-http',
      '--shared-watch',
      'ConfigMap',
    )
    const deployment = items.find(({ kind }) => kind === 'Deployment')
    assert.equal(deployment?.metadata.namespace, 'ops')
    const args = field(deployment, 'spec', 'template', 'spec', 'containers', 0, 'args')
    assert.ok(Array.isArray(args))
    for (const word of ['--namespace=ops', '--guard', '--plain-http', '--shared-watch=ConfigMap=configmaps'])
      assert.ok(args.includes(word), word)
    const help = (await waybillHere(['puller', '--help'])).stdout
    for (const word of args.slice(1)) assert.ok(help.includes(` ${String(word).split('=')[0]} `), String(word))
  })

  test('lets the puller reach DNS, TLS and the API server, and what was asked for; not port 80', async () => {
    const { items } = await printed('--image', IMAGE, '--egress-port', '5000', '--egress-port', '443')
    const egress = field(
      items.find(({ kind }) => kind === 'NetworkPolicy'),
      'spec',
      'egress',
    )
    assert.deepEqual(egress, [
      { ports: [53, 53].map((port, i) => ({ port, protocol: i === 0 ? 'UDP' : 'TCP' })) },
      { ports: [443, 6443, 5000].map((port) => ({ port, protocol: 'TCP' })) },
    ])
  })

  test('takes --puller-namespace for --namespace, as it was called before', async () => {
    const { items } = await printed('--crds-only', '--puller-namespace', 'ops')
    assert.ok(items.some(({ kind, metadata }) => kind === 'Namespace' && metadata.name === 'ops'))
  })

  test('takes an image by its tag, and warns of it', async () => {
    const { items, stderr } = await printed('--image', 'localhost/waybill:0.1.0')
    assert.ok(kinds({ items }).includes('Deployment'))
    assert.match(stderr, /^warning: .*by its digest/m)
  })

  test('has the puller trust a registry’s own certificates, and starts it anew when they change', async () => {
    const ca = join(import.meta.dirname, '../fixtures/tls/loopback.crt')
    const { items } = await printed('--image', IMAGE, '--ca-file', ca, '--pull-secret', 'pull')
    const kept = items.find(({ metadata }) => metadata.name === 'waybill-ca')
    assert.equal(field(kept, 'data', 'ca.crt'), readFileSync(ca, 'utf8'))
    const template = field(
      items.find(({ kind }) => kind === 'Deployment'),
      'spec',
      'template',
    )
    assert.deepEqual(field(template, 'spec', 'imagePullSecrets'), [{ name: 'pull' }])
    assert.deepEqual(field(template, 'spec', 'containers', 0, 'env'), [
      { name: 'NODE_EXTRA_CA_CERTS', value: '/etc/waybill/ca/ca.crt' },
    ])
    const print = field(template, 'metadata', 'annotations', 'waybill.dev/ca-digest')
    assert.match(String(print), /^sha256:/)
    const other = join(tempFolder(), 'other.crt')
    writeFileSync(other, `${readFileSync(ca, 'utf8')}\n`)
    const again = (await printed('--image', IMAGE, '--ca-file', other)).items.find(({ kind }) => kind === 'Deployment')
    assert.notEqual(field(again, 'spec', 'template', 'metadata', 'annotations', 'waybill.dev/ca-digest'), print)
  })

  test('adds on request the Delivery that keeps it up to date, and an account for that alone', async () => {
    const { items } = await printed('--image', IMAGE, '--self-update', 'registry.example.com/acme/platform:production')
    const delivery = items.find(({ kind }) => kind === 'Delivery')
    assert.deepEqual(delivery?.metadata.namespace, 'waybill-system')
    assert.deepEqual(field(delivery, 'spec'), {
      source: { repository: 'registry.example.com/acme/platform', channel: 'production' },
      adopt: 'always',
    })
    const plain = await printed('--image', IMAGE)
    const added = items.slice(plain.items.length).map(({ kind }) => kind)
    assert.deepEqual(
      added.sort().join(' '),
      'ClusterRole ClusterRoleBinding Delivery Role Role RoleBinding RoleBinding ServiceAccount',
    )
  })

  const refused: readonly (readonly [string, readonly string[], string, RegExp])[] = [
    ['no image says how to make one', [], 'USAGE', /npm run image[\s\S]*--crds-only/],
    ['an image with neither tag nor digest', ['--image', 'example.com/puller'], 'REFERENCE_INVALID', /digest/],
    ['an image without a host', ['--image', 'waybill:1'], 'REFERENCE_INVALID', /host/],
    ['no replica at all', ['--image', IMAGE, '--replicas', '0'], 'USAGE', /from 1 to 9[\s\S]*kubectl scale/],
    ['a port that there is not', ['--image', IMAGE, '--egress-port', '65536'], 'USAGE', /1 to 65535/],
    ['a namespace that no cluster can have', ['--crds-only', '--namespace', 'My Ops'], 'USAGE', /Lower-case/],
    ['an image without its Deployment', ['--crds-only', '--image', IMAGE], 'USAGE', /no Deployment/],
    ['to follow a version', ['--image', IMAGE, '--self-update', 'example.com/p:1.0.0'], 'USAGE', /and a channel/],
    ['certificates that are none', ['--image', IMAGE, '--ca-file', '/dev/null'], 'FILE_UNREADABLE', /no certificate/],
    ['another identity than the Deployment’s', ['--image', IMAGE, '--identity', 'eve'], 'USAGE', /--crds-only/],
    ['groups without a guard', ['--crds-only', '--guard-group', 'ops'], 'USAGE', /goes with --guard/],
    [
      'a guard that lets everybody through',
      ['--crds-only', '--guard', '--guard-group', 'system:authenticated'],
      'USAGE',
      /everybody[\s\S]*hint: .*group of few/,
    ],
  ]
  for (const [what, args, code, says] of refused)
    test(`refuses ${what}`, async () => {
      const ran = await waybillHere(['install', ...args])
      assertFails(ran, 2, code)
      assert.match(ran.stderr, says)
      assert.equal(ran.stdout, '')
    })
})

test('the size of the puller’s cache is written as Kubernetes writes sizes', async () => {
  const ran = await waybillHere(['puller', '--cache-size', '2G'])
  assertFails(ran, 2, 'USAGE')
  assert.match(ran.stderr, /500Mi or 2Gi/)
})

describe('tenant', () => {
  test('gives what it prints the label by which it is found again', async () => {
    const ran = await waybillHere(['tenant', 'shop', '--output', 'json'])
    const { items }: { items: readonly Printed[] } = JSON.parse(ran.stdout)
    for (const { kind, metadata } of items)
      assert.equal(field(metadata, 'labels', 'app.kubernetes.io/part-of'), 'waybill', `${kind} ${metadata.name}`)
  })

  for (const args of [
    ['--account', 'No Name'],
    ['--api-group', '*'],
    ['--api-group', 'apps'],
  ])
    test(`refuses ${args.join(' ')}`, async () => {
      const ran = await waybillHere(['tenant', 'shop', ...args])
      assertFails(ran, 2, 'USAGE')
      assert.equal(ran.stdout, '')
    })
})
