import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { KubeObject } from '../../../contract/artifact/objects.ts'
import { installObjects } from '../../../puller/install/install.ts'
import { printYaml } from '../../../puller/install/print.ts'
import { type ControlPlane, field, startControlPlane } from '../../real/control-plane.ts'

const OBJECTS = installObjects({
  crdsOnly: false,
  image: `registry.example.com/waybill/puller@sha256:${'a'.repeat(64)}`,
  attribution: true,
  guard: { groups: ["o'neil"] },
  shared: [{ group: 'apps', kind: 'Deployment', plural: 'deployments' }],
})
const YAML = printYaml(OBJECTS)
const SERVER_SIDE = ['apply', '--server-side', '-f', '-'] as const

let plane: ControlPlane
const start = async () => {
  plane = await startControlPlane({ controllers: false, scheduler: false, kwok: false })
}

/** What the API server has of each object, as `of` says. */
async function look(of: (object: KubeObject) => unknown): Promise<Readonly<Record<string, unknown>>> {
  const text = await plane.runKubectl(['get', '-f', '-', '-o', 'json'], { input: YAML })
  const { items }: { items: readonly KubeObject[] } = JSON.parse(text)
  assert.equal(items.length, OBJECTS.length)
  return Object.fromEntries(items.map((object) => [`${object.kind} ${object.metadata.name}`, of(object)]))
}

const versions = () => look(({ metadata }) => metadata.resourceVersion)
/** All but who manages it and how it stands. */
const contents = () =>
  look(({ metadata: { labels = {} }, status: _status, ...object }) => ({ ...object, metadata: { labels } }))

describe('the whole install, as a person applies it to an empty cluster', () => {
  before(start)
  after(() => plane?.stop())

  test('is there after one `kubectl apply -f -`, and a second one changes nothing', async () => {
    await plane.runKubectl(['apply', '-f', '-'], { input: YAML })
    const first = await versions()
    await plane.runKubectl(['apply', '-f', '-'], { input: YAML })
    assert.deepEqual(await versions(), first)
  })

  test('is taken over by --server-side without a conflict, and changes nothing', async () => {
    const before = await contents()
    await plane.runKubectl(SERVER_SIDE, { input: YAML })
    assert.deepEqual(await contents(), before)
    const taken = await versions()
    await plane.runKubectl(SERVER_SIDE, { input: YAML })
    assert.deepEqual(await versions(), taken)
  })

  test('its pods pass Pod Security restricted, and another that does not is refused there', async () => {
    const pods = '/api/v1/namespaces/waybill-system/pods?dryRun=All'
    const spec = field(
      OBJECTS.find(({ kind }) => kind === 'Deployment'),
      'spec',
      'template',
      'spec',
    )
    const created = async (pod: unknown) =>
      (await plane.api('POST', pods, { body: { metadata: { name: 'one' }, spec: pod } })).status
    assert.equal(await created(spec), 201)
    assert.equal(await created({ containers: [{ name: 'one', image: 'example.com/one' }] }), 403)
  })
})

describe('the whole install, applied by the server', () => {
  before(start)
  after(() => plane?.stop())

  test('is there after one `kubectl apply --server-side`, a second changes nothing, and kubectl apply goes on from it', async () => {
    await plane.runKubectl(SERVER_SIDE, { input: YAML })
    const first = await versions()
    await plane.runKubectl(SERVER_SIDE, { input: YAML })
    assert.deepEqual(await versions(), first)
    const before = await contents()
    await plane.runKubectl(['apply', '-f', '-'], { input: YAML })
    assert.deepEqual(await contents(), before)
  })
})
