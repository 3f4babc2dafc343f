import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { isJsonObject } from '../../contract/canonical-json.ts'
import { managedEntries } from '../../puller/plan/managed-fields.ts'
import { runCommand, WAYBILL } from '../cli/command.ts'
import { field } from '../real/control-plane.ts'
import { app } from './apps.ts'
import { pullersOf } from './pullers.ts'
import { startWorld, type Tenant, type World } from './world.ts'

const PAGE = join(import.meta.dirname, '../../docs/migrating.md')
const NAMES = ['web', 'api'] as const
const folder = mkdtempSync(join(tmpdir(), 'waybill-migrating-'))

let world: World
before(async () => {
  world = await startWorld({ controllers: true, pods: true })
})
after(async () => {
  await world?.stop()
  rmSync(folder, { recursive: true })
})
const pullers = pullersOf(() => world)

/** The commands of the page; `shop` and its registry are the test's own, and `npx waybill` runs this checkout. */
function commandsFor(tenant: Tenant, part: 'adopt' | 'leave'): string {
  const all = [...readFileSync(PAGE, 'utf8').matchAll(/^```sh (\w+)\n(.*?)^```$/gms)]
  const blocks = all.flatMap(([, of, block = '']) => (of === part ? [block] : []))
  assert.equal(blocks.length, part === 'adopt' ? 5 : 1)
  const told = blocks.join('\n').replaceAll('namespace shop', `namespace ${tenant.namespace}`)
  const here = told.replace('namespace: shop', `namespace: ${tenant.namespace}`).replace('/web,', '/shop,')
  return `set -eu -o pipefail
npx() {
  local verb=$2
  shift 2
  if [ "$verb" = plan ]; then set -- --plain-http "$@"; fi
  "$NODE" "$WAYBILL" "$verb" "$@"
}
${here}`
}

/** As the old tool had it: marks of its own, and fields that Git no longer has. */
function asDelivered(marks: { readonly labels?: object; readonly annotations?: object }): readonly object[] {
  return NAMES.map((name) => {
    const object = app(name, {}, undefined, { replicas: 2 })
    const metadata = { name, labels: { team: 'shop', tier: name, ...marks.labels }, annotations: marks.annotations }
    return { ...object, metadata, spec: { ...(isJsonObject(object.spec) ? object.spec : {}), revisionHistoryLimit: 3 } }
  })
}

const asInGit = NAMES.map((name) => {
  const object = app(name, {}, undefined, { replicas: 2 })
  return { ...object, metadata: { name, labels: { team: 'shop' } } }
})

/** What the commands print; they have to succeed. */
async function follow(tenant: Tenant, part: 'adopt' | 'leave'): Promise<string> {
  const script = join(folder, `${tenant.namespace}-${part}.sh`)
  writeFileSync(script, commandsFor(tenant, part))
  const env = {
    NODE: process.execPath,
    WAYBILL,
    REGISTRY: tenant.repository.replace(/\/shop$/, ''),
    KUBECONFIG: world.plane.kubeconfig,
    HOME: folder,
    PATH: `${join(world.plane.kubectl, '..')}:${process.env.PATH}`,
  }
  const { status, stdout, stderr } = await runCommand('bash', [script], { cwd: folder, env })
  assert.equal(status, 0, `${stdout}\n${stderr}`)
  return `${stdout}\n${stderr}`
}

const OLD_TOOLS = [
  {
    tool: 'Flux',
    manager: 'kustomize-controller',
    flags: ['--server-side', '--force-conflicts'],
    marks: { labels: { 'kustomize.toolkit.fluxcd.io/name': 'web', 'kustomize.toolkit.fluxcd.io/namespace': 'flux' } },
    owner: /\/web: it exists and belongs to Flux Kustomization web,.* \[OBJECT_OWNED\]/,
  },
  {
    tool: 'Argo CD',
    manager: 'argocd-controller',
    flags: [],
    marks: { annotations: { 'argocd.argoproj.io/tracking-id': 'web:apps/Deployment:shop/web' } },
    owner: /\/web: it exists and belongs to Argo CD web:apps\/Deployment:shop\/web,.* \[OBJECT_OWNED\]/,
  },
  {
    tool: 'Argo CD with ServerSideApply',
    manager: 'argocd-controller',
    flags: ['--server-side', '--force-conflicts'],
    marks: { labels: { 'argocd.argoproj.io/instance': 'web' } },
    owner: /\/web: it exists and belongs to Argo CD application web,.* \[OBJECT_OWNED\]/,
  },
]

for (const { tool, manager, flags, marks, owner } of OLD_TOOLS)
  test(`the commands of docs/migrating.md take over what ${tool} applied and let go of it again, and no Pod restarts`, async () => {
    const tenant = await world.tenant()
    const { namespace } = tenant
    const { plane } = world
    const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: asDelivered(marks) })
    const applyAsBefore = () =>
      plane.runKubectl(['apply', ...flags, '--field-manager', manager, '-n', namespace, '-f', '-'], { input })
    await applyAsBefore()
    for (const name of NAMES)
      await plane.runKubectl(['rollout', 'status', `deployment/${name}`, '-n', namespace, '--timeout', '60s'])
    tenant.publish(tenant.release('one', asInGit), { promotion: { channel: 'production', sequence: 1 } })

    pullers([tenant])
    const output = await follow(tenant, 'adopt')
    assert.match(output, owner)
    assert.match(output, new RegExp(`adopt Deployment\\.apps ${namespace}/web from .*${manager}`))
    assert.match(output, /metadata\.labels\.tier/)
    assert.doesNotMatch(output, /spec\.template\.metadata|\.image[,\n]|spec\.replicas/)
    const [listed, pods] = [readFileSync(join(folder, 'after.txt'), 'utf8'), /^Pod /gm]
    assert.equal(listed.match(pods)?.length, 4, listed)

    for (const name of NAMES) {
      const { body } = await plane.api('GET', `/apis/apps/v1/namespaces/${namespace}/deployments/${name}`)
      assert.ok(isJsonObject(body))
      const [labels, annotations] = ['labels', 'annotations'].map((key) =>
        Object.keys(field(body, 'metadata', key) ?? {}),
      )
      assert.deepEqual(labels?.sort(), ['applyset.kubernetes.io/part-of', 'team'])
      assert.deepEqual(
        annotations?.filter((key) => !key.startsWith('waybill.dev/')),
        ['deployment.kubernetes.io/revision'],
      )
      assert.equal(field(body, 'metadata', 'annotations', 'deployment.kubernetes.io/revision'), '1')
      assert.equal(field(body, 'spec', 'revisionHistoryLimit'), 10)
      const managers = managedEntries(body).filter(({ subresource }) => subresource === '')
      assert.deepEqual(
        managers.map((entry) => entry.manager),
        ['waybill'],
      )
    }
    assert.match(await tenant.kinds(), /^Refused Intent Applied( Unchanged)?$/)

    await follow(tenant, 'leave')
    await plane.eventually('the Delivery is gone', async () => {
      const path = `/apis/waybill.dev/v1alpha1/namespaces/${namespace}/deliveries/web`
      return (await plane.api('GET', path)).status === 404
    })
    await applyAsBefore()
    const kept = ['deployments,replicasets,pods', '-n', namespace, '--sort-by', '.metadata.uid']
    const columns = 'custom-columns=KIND:.kind,NAME:.metadata.name,UID:.metadata.uid'
    assert.equal(
      await plane.runKubectl(['get', ...kept, '-o', columns]),
      listed,
      'who goes back restarts nothing either',
    )
  })
