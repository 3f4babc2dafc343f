import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { isJsonObject } from '../../../contract/canonical-json.ts'
import type { ConnectedCluster } from '../../../puller/cluster/cluster.ts'
import { managedEntries } from '../../../puller/plan/managed-fields.ts'
import { ensureTools } from '../../../tools/build.ts'
import { type ControlPlane, field } from '../../real/control-plane.ts'
import { configMap, deliver, deployment, refusals, results } from '../delivered.ts'
import { asPuller, startInstalled } from '../installed.ts'

let plane: ControlPlane
let puller: ConnectedCluster
before(async () => {
  plane = await startInstalled({ controllers: false })
  puller = await asPuller(plane)
})
after(async () => {
  await puller?.close()
  await plane?.stop()
})

const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration'
const adopt = 'always'
const pathOf = (namespace: string, name = 'web') => `/apis/apps/v1/namespaces/${namespace}/deployments/${name}`

/** A Deployment as it is: who manages it, besides its status, and a few of its fields. */
async function seen(namespace: string, name?: string) {
  const { body } = await plane.api('GET', pathOf(namespace, name))
  assert.ok(isJsonObject(body))
  const { metadata, spec } = body
  return {
    managers: managedEntries(body)
      .map(({ manager, operation, subresource }) => [manager, operation, subresource].join(' ').trim())
      .sort(),
    annotations: Object.keys(field(metadata, 'annotations') ?? {}).filter((key) => !key.startsWith('waybill.dev/')),
    labels: Object.keys(field(metadata, 'labels') ?? {}).filter((key) => !key.startsWith('applyset.')),
    replicas: field(spec, 'replicas'),
    image: field(spec, 'template', 'spec', 'containers', '0', 'image'),
    paused: field(spec, 'paused'),
    uid: field(metadata, 'uid'),
    spec,
  }
}

const scale = async (namespace: string, replicas: number) => {
  const path = `${pathOf(namespace)}/scale?fieldManager=autoscaler`
  const contentType = 'application/merge-patch+json'
  assert.equal((await plane.api('PATCH', path, { body: { spec: { replicas } }, contentType })).status, 200)
}
const labelled = (labels: object, spec: object = {}) => {
  const one = deployment('web', {}, spec)
  return { ...one, metadata: { ...one.metadata, labels } }
}
const applyAs = async (manager: string, namespace: string, object: object) => {
  const path = `${pathOf(namespace)}?fieldManager=${manager}&force=true`
  const contentType = 'application/apply-patch+yaml'
  assert.ok((await plane.api('PATCH', path, { body: object, contentType })).status < 300)
}

describe('a field that is left to others', () => {
  const ignore = [{ kind: 'Deployment.apps', fields: ['/spec/replicas'] }]

  test('is created as declared, then never written again: not by a release, not by its owner’s absence', async () => {
    const { run, namespace } = await deliver(plane, puller)
    await run([deployment('web')], { ignore })
    assert.equal((await seen(namespace)).replicas, 2)
    await run([deployment('web', { image: 'registry.example.com/app:2' }, { replicas: 9 })], { ignore })
    const { replicas, image } = await seen(namespace)
    assert.deepEqual({ replicas, image }, { replicas: 2, image: 'registry.example.com/app:2' })
  })

  test('keeps what an autoscaler set, and whose it is, over releases; and is no drift', async () => {
    const { run, namespace } = await deliver(plane, puller)
    await run([deployment('web')], { ignore })
    await scale(namespace, 5)
    const again = await run([deployment('web')], { ignore })
    assert.deepEqual(again.plan.changes, [])
    const released = await run([deployment('web', { image: 'registry.example.com/app:2' })], { ignore })
    assert.deepEqual(
      released.plan.changes.map(({ fields }) => fields),
      [['spec.template.spec.containers[name="app"].image']],
    )
    const { replicas, image, managers } = await seen(namespace)
    assert.deepEqual({ replicas, image }, { replicas: 5, image: 'registry.example.com/app:2' })
    assert.deepEqual(managers, ['autoscaler Update scale', 'waybill Apply'])
    // The rule is what keeps it: without it the release puts it back.
    await run([deployment('web')])
    assert.equal((await seen(namespace)).replicas, 2)
  })
})

describe('an object that is taken over', () => {
  test('from kubectl apply: nothing but its managers changes, and what then leaves Git leaves the cluster', async () => {
    const { run, plan, namespace } = await deliver(plane, puller)
    const input = JSON.stringify(labelled({ team: 'shop', tier: 'web' }))
    await plane.runKubectl(['apply', '-n', namespace, '-f', '-'], { input })
    const before = await seen(namespace)
    assert.deepEqual(before.annotations, [LAST_APPLIED])
    const object = labelled({ team: 'shop', tier: 'web' })
    assert.deepEqual(refusals(await plan([object], { adopt: 'if-unowned' })), [
      `OBJECT_OWNED Deployment.apps ${namespace}/web`,
    ])
    const { plan: adoption, applied } = await run([object], { adopt })
    assert.deepEqual(
      adoption.changes.map(({ action, manager }) => `${action} ${manager}`),
      ['adopt kubectl-client-side-apply'],
    )
    assert.deepEqual(results(applied), [`adopted Deployment.apps ${namespace}/web`])
    const after = await seen(namespace)
    assert.deepEqual(after.managers, ['waybill Apply'])
    assert.deepEqual(after.annotations, [])
    // The same template: no pod was restarted.
    assert.deepEqual([after.uid, after.spec], [before.uid, before.spec])
    await run([labelled({ team: 'shop' })], { adopt })
    assert.deepEqual((await seen(namespace)).labels, ['team'])
  })

  test('from Flux or Argo CD: the plan says what goes at once, because Git no longer has it', async () => {
    for (const manager of ['kustomize-controller', 'argocd-controller']) {
      const { run, namespace } = await deliver(plane, puller)
      await applyAs(manager, namespace, labelled({ team: 'shop', tier: 'web' }, { paused: true }))
      const { plan } = await run([labelled({ team: 'shop' })], { adopt })
      const [change] = plan.changes
      assert.equal(change?.manager, manager)
      for (const path of ['metadata.labels.tier', 'spec.paused']) assert.ok(change?.fields?.includes(path), path)
      const { labels, paused, managers } = await seen(namespace)
      assert.deepEqual(
        { labels, paused, managers },
        { labels: ['team'], paused: undefined, managers: ['waybill Apply'] },
      )
    }
  })

  test('keeps an autoscaler’s replicas and a person’s restart', async () => {
    const { run, namespace } = await deliver(plane, puller)
    await plane.runKubectl(['apply', '-n', namespace, '-f', '-'], { input: JSON.stringify(deployment('web')) })
    await scale(namespace, 5)
    await plane.runKubectl(['rollout', 'restart', 'deployment/web', '-n', namespace])
    const before = await seen(namespace)
    await run([deployment('web')], { adopt, ignore: [{ fields: ['/spec/replicas'] }] })
    const after = await seen(namespace)
    assert.deepEqual([after.replicas, after.spec], [5, before.spec])
    assert.deepEqual(after.managers, ['autoscaler Update scale', 'kubectl-rollout Update', 'waybill Apply'])
  })

  test('with a field that is left to others and that the old manager alone had: it keeps its value', async () => {
    const { run, namespace } = await deliver(plane, puller)
    const input = JSON.stringify(deployment('web', {}, { replicas: 7 }))
    await plane.runKubectl(['apply', '-n', namespace, '-f', '-'], { input })
    await run([deployment('web')], { adopt, ignore: [{ fields: ['/spec/replicas'] }] })
    assert.equal((await seen(namespace)).replicas, 7)
  })

  test('from a real Helm release', async () => {
    const { helm } = await ensureTools(['helm'])
    const { run, namespace } = await deliver(plane, puller)
    const chart = mkdtempSync(join(tmpdir(), 'waybill-chart-'))
    try {
      mkdirSync(join(chart, 'templates'))
      writeFileSync(join(chart, 'Chart.yaml'), 'apiVersion: v2\nname: web\nversion: 1.0.0\n')
      writeFileSync(join(chart, 'templates', 'web.yaml'), JSON.stringify(labelled({ team: 'shop', tier: 'web' })))
      const flags = ['-n', namespace, '--kubeconfig', plane.kubeconfig]
      await promisify(execFile)(helm, ['install', 'web', chart, ...flags], { env: { HOME: chart } })
      const before = await seen(namespace)
      assert.ok(before.annotations.includes('meta.helm.sh/release-name'))
      const { plan } = await run([labelled({ team: 'shop' })], { adopt })
      assert.equal(plan.changes[0]?.manager, 'helm')
      const after = await seen(namespace)
      assert.deepEqual([after.labels, after.annotations, after.managers], [['team'], [], ['waybill Apply']])
      assert.deepEqual([after.uid, after.spec], [before.uid, before.spec])
    } finally {
      rmSync(chart, { recursive: true, force: true })
    }
  })

  test('is never another Delivery’s, whatever adopt says, and the refusal names that one', async () => {
    const first = await deliver(plane, puller)
    await first.run([configMap('mine')])
    const second = await deliver(plane, puller, { namespace: first.namespace, name: 'other' })
    const { plan, applied } = await second.run([configMap('mine')], { adopt })
    assert.equal(applied, undefined)
    assert.deepEqual(refusals(plan), [`OBJECT_OWNED ConfigMap ${first.namespace}/mine`])
    assert.match(plan.refusals[0]?.message ?? '', new RegExp(`Delivery ${first.namespace}/shop has it`))
  })
})
