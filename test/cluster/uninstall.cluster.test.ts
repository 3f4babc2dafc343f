import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { assertFails, waybillHere } from '../cli/command.ts'
import { shopImages } from '../node/images.ts'
import { startNode } from '../node/start.ts'
import { tempFolder } from '../packager/repository.ts'
import { field } from '../real/cluster.ts'
import { shopRepository } from './shop.ts'
import { addTenant, install, openSite, pushPuller, until } from './site.ts'

/** One cluster, from an install to an uninstall and to another install: these tests follow one another. */
const node = await startNode()
after(() => node.stop())
const site = await openSite(node, await pushPuller(node))
const shop = shopRepository(site, (await shopImages(node)).first)
await install(site, '--guard')
await shop.publish('1.0.0')
await addTenant(site, 'shop', shop.repository, { deletion: 'delete' })
await site.becomes('shop', 'shop', 'True Applied')

const setEnv = () => node.kubectl(['set', 'env', 'deployment/web', '-n', 'shop', 'SHOP_VERSION=by-hand'])
const environment = async () => JSON.stringify(await site.get('deployment', 'shop', 'web')).includes('by-hand')

test('with --guard an administrator is denied, and told how to break the glass', async () => {
  const version = async () => field(await site.get('deployment', 'shop', 'web'), 'metadata', 'resourceVersion')
  await rolledOut()
  const before = await version()
  await assert.rejects(setEnv(), /change it in Git, or annotate it with waybill\.dev\/break-glass: <reason> first/)
  await assert.rejects(node.kubectl(['delete', 'deployment', 'web', '-n', 'shop']), /waybill\.dev\/break-glass/)
  assert.equal(await version(), before)
})

test('with a reason the change goes through and is left alone, and the reason is in the history', async () => {
  await annotate('waybill.dev/break-glass=checkout is down, INC-1204')
  await setEnv()
  const history = () => site.waybill('history', 'shop', '-n', 'shop')
  await until('it is on record with its reason', 60_000, async () =>
    /DriftDetected[\s\S]*INC-1204/.test(await history()),
  )
  await rolledOut()
  assert.equal(await environment(), true)
  await annotate('waybill.dev/break-glass-')
  await until('it is put back once the glass is whole', 60_000, async () => !(await environment()))
  await until('that is on record', 60_000, async () => /DriftCorrected/.test(await history()))
})

test('Waybill goes, with real pods: they do not notice, and the records are verified without a cluster', async () => {
  await site.becomes('shop', 'shop', 'True Applied')
  await rolledOut()
  const before = await delivered()
  assert.match(before.join('\n'), /^Pod web-.*0 restarts$/m)
  const folder = tempFolder()
  const key = await node.kubectl([
    'get',
    'configmap',
    'waybill-records',
    '-n',
    'waybill-system',
    '-o',
    'jsonpath={.data.puller\\.pub}',
  ])
  const [records, keyFile] = [join(folder, 'records.jsonl'), join(folder, 'puller.pub')]
  writeFileSync(keyFile, key)
  const audited = /head: .*/.exec(await site.waybill('audit', 'shop', '-n', 'shop'))?.[0]
  await site.waybill('uninstall', '--yes', '--records-to', records)
  assert.deepEqual(await delivered(), before)
  assert.deepEqual(await ofWaybill(), TENANTS_OWN)
  const audit = (file: string) => waybillHere(['audit', 'shop', '-n', 'shop', '--records', file, '--key', keyFile])
  const offline = await audit(records)
  assert.equal(offline.status, 0, offline.stderr)
  assert.ok(audited !== undefined && offline.stdout.includes(audited), `${offline.stdout}\nnot ${audited}`)
  const edited = join(folder, 'edited.jsonl')
  writeFileSync(edited, readFileSync(records, 'utf8').replace('INC-1204', 'INC-1205'))
  assertFails(await audit(edited), 3, 'RECORD_CHAIN_BROKEN')
})

test('another install adopts what runs, and no pod restarts', async () => {
  const pods = async () => (await delivered()).filter((line) => line.startsWith('Pod ')).map(withoutVersion)
  const uids = async () => (await delivered()).map(withoutVersion)
  const before = { pods: await pods(), uids: await uids() }
  await install(site, '--guard')
  await addTenant(site, 'shop', shop.repository, { adopt: 'if-unowned' })
  await site.becomes('shop', 'shop', 'True Applied')
  assert.deepEqual({ pods: await pods(), uids: await uids() }, before)
  await assert.rejects(setEnv(), /waybill\.dev\/break-glass/)
})

async function annotate(annotation: string): Promise<void> {
  await node.kubectl(['annotate', 'deployment', 'web', '-n', 'shop', annotation])
}

/** Both Deployments run what they ask for, in no other pods than theirs. */
async function rolledOut(): Promise<void> {
  for (const name of ['api', 'web'])
    await node.kubectl(['rollout', 'status', `deployment/${name}`, '-n', 'shop', '--timeout=120s'])
  await until('old pods are gone', 60_000, async () => (await site.list('pods', 'shop')).length === 4)
}

const KINDS = 'configmap,secret,serviceaccount,role,rolebinding,service,poddisruptionbudget,deployment,replicaset,pod'

/** All that is in the shop's namespace but the puller's right to act there: uid and version of each; of pods, whose status kubelets write again as they like, generation and restarts. */
async function delivered(): Promise<string[]> {
  const lines = (await site.list(KINDS, 'shop')).map((one) => {
    const of = (name: string) => field(one, 'metadata', name)
    const found = `${field(one, 'kind')} ${of('name')} uid ${of('uid')}`
    const restarts = field(one, 'status', 'containerStatuses', 0, 'restartCount')
    return field(one, 'kind') === 'Pod'
      ? `${found} generation ${of('generation')}, ${restarts} restarts`
      : `${found} version ${of('resourceVersion')}`
  })
  return lines.filter((line) => !line.includes(' waybill-puller')).sort()
}

const withoutVersion = (line: string) => line.replace(/ version \d+/, '')

/** What `waybill tenant` made, and uninstall leaves. */
const TENANTS_OWN = [
  'role.rbac.authorization.k8s.io/waybill',
  'rolebinding.rbac.authorization.k8s.io/waybill',
  'serviceaccount/waybill',
]

/** Everything of every kind that the API server has and that is called after Waybill. */
async function ofWaybill(): Promise<string[]> {
  const kinds = (await node.kubectl(['api-resources', '--verbs=list', '-o', 'name'])).trim().split('\n')
  const stored = kinds.filter((kind) => !kind.startsWith('events'))
  const names = await node.kubectl(['get', stored.join(','), '--all-namespaces', '-o', 'name', '--ignore-not-found'])
  return names
    .split('\n')
    .filter((name) => name.includes('waybill'))
    .sort()
}
