import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { KubeObject } from '../../contract/artifact/objects.ts'
import { checkCommit } from '../../packager/pack-commit.ts'
import { ensureTools } from '../../tools/build.ts'
import { optionsFor, packageFile, repositoryOf } from '../packager/repository.ts'
import { field } from '../real/control-plane.ts'
import { startWorld, type World } from './world.ts'

const { helm } = await ensureTools(['helm'])
let world: World
before(async () => {
  world = await startWorld({ controllers: true, pods: true })
})
after(() => world?.stop())

const POD = `{restartPolicy: Never, serviceAccountName: hook, containers: [{name: a, image: "registry.example.com/a@sha256:${'0'.repeat(64)}"}]}`
const hook = (
  type: string,
  name: string,
  hooks: string,
  more = '',
  spec = '',
) => `apiVersion: ${type.replace(' ', '\nkind: ')}
metadata: {name: ${name}, annotations: {helm.sh/hook: "${hooks}"${more}}}
${spec}`
const job = (name: string, hooks: string, more: string) =>
  hook('batch/v1 Job', name, hooks, more, `spec: {template: {spec: ${POD}}}\n`)

const BEFORE = 'pre-install,pre-upgrade'
const CHART = {
  'seed.yaml': job('seed', BEFORE, ', helm.sh/hook-weight: "2", helm.sh/hook-delete-policy: hook-succeeded'),
  'migrate.yaml': job('migrate', BEFORE, ', helm.sh/hook-weight: "1"'),
  'account.yaml': hook('v1 ServiceAccount', 'hook', `${BEFORE},post-install,post-upgrade`),
  'smoke.yaml': job('smoke', 'post-install,post-upgrade', ''),
  'web.yaml': `apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: a, image: "registry.example.com/a@sha256:${'0'.repeat(64)}"}]}}
`,
  'config.yaml':
    'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {greeting: "{{ .Values.greeting }}"}\n',
}

/** What the packager makes of the chart. */
async function packed(namespace: string, greeting: string): Promise<readonly KubeObject[]> {
  const environment = `production: {helm: {chart: chart, values: [values.yaml], release: shop, namespace: ${namespace}}}`
  const repository = repositoryOf({
    'waybill.yaml': packageFile({ environments: environment, extra: '  tools: {helm: 4.3.1}\n' }),
    'chart/Chart.yaml': 'apiVersion: v2\nname: shop\nversion: 1.0.0\n',
    'values.yaml': `greeting: ${greeting}\n`,
    ...Object.fromEntries(Object.entries(CHART).map(([name, text]) => [`chart/templates/${name}`, text])),
  })
  const env = { PATH: process.env.PATH, WAYBILL_HELM: helm }
  return (await checkCommit(optionsFor(repository, { env }))).environments.production ?? []
}

test('the hooks of a chart run around its release, in helm’s order, with their account, and again with the next one', async () => {
  const tenant = await world.tenant()
  const { namespace } = tenant
  const release = async (sequence: number, greeting: string) => {
    const objects = await packed(namespace, greeting)
    tenant.publish(tenant.release(String(sequence), objects), { promotion: { channel: 'production', sequence } })
    const mark = await world.plane.auditMark()
    const said = await tenant.run()
    assert.equal(said.reason, 'Applied', said.message)
    return (await world.plane.auditSince(mark))
      .filter(({ verb, requestURI }) => ['patch', 'delete'].includes(verb) && !requestURI.includes('dryRun'))
      .filter(({ objectRef }) => objectRef?.namespace === namespace)
      .filter(({ objectRef }) =>
        ['jobs', 'deployments', 'configmaps', 'serviceaccounts'].includes(objectRef?.resource ?? ''),
      )
      .filter(({ userAgent }) => !String(userAgent).includes('kube-controller-manager'))
      .map(({ verb, objectRef }) => `${verb} ${objectRef?.name}`)
  }
  await tenant.deliver()
  const first = await release(1, 'hello')
  assert.deepEqual(first.slice(0, 2).toSorted(), ['patch hook', 'patch settings'])
  assert.deepEqual(
    first.slice(2).filter((write) => write !== 'delete seed'),
    ['patch migrate', 'patch seed', 'patch web', 'patch smoke'],
  )
  const jobs = `/apis/batch/v1/namespaces/${namespace}/jobs`
  const uid = async () => field((await tenant.get(`${jobs}/migrate`)).body, 'metadata', 'uid')
  const ran = await uid()
  assert.equal((await tenant.get(`${jobs}/seed`)).status, 404, 'deleted once it succeeded')
  assert.deepEqual(await release(2, 'welcome').then((writes) => writes.includes('patch migrate')), true)
  assert.notEqual(await uid(), ran)
})
