import assert from 'node:assert/strict'
import { cpSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { buildImage } from '../../tools/image/build-image.ts'
import { shopImages } from '../node/images.ts'
import { startNode } from '../node/start.ts'
import { commitAll, git, tempFolder } from '../packager/repository.ts'
import { field } from '../real/cluster.ts'
import { newReader, readerAt } from './follow.ts'
import { openSite, pullerPods, until } from './site.ts'

const README = 'README.md'
const PLATFORM = 'examples/platform/README.md'
const OPERATIONS = 'docs/operations.md'
const ROOT = join(import.meta.dirname, '../..')

const registryFolder = tempFolder()
let node = await startNode({ registryFolder })
after(() => node.stop())
const { first, crashing } = await shopImages(node)
let site = await openSite(node, '')
const reader = await newReader(node, first)

/** What each Delivery runs: `namespace/name digest`. */
async function running(): Promise<readonly string[]> {
  const deliveries = await site.list('deliveries')
  const line = (one: unknown) =>
    `${field(one, 'metadata', 'namespace')}/${field(one, 'metadata', 'name')} ${field(one, 'status', 'applied', 'digest')}`
  return deliveries.map(line).sort()
}

test('a newcomer gets from nothing to a delivered application in ten commands', async () => {
  const commands = reader.commands(README, 'newcomer')
  assert.ok(commands.length <= 10, `${commands.length} commands`)
  await reader.follow(README, 'newcomer')
  assert.equal(await site.ready('hello', 'hello'), 'True Applied')
  assert.equal(field(await site.get('deployment', 'hello', 'hello'), 'status', 'readyReplicas'), 1)
})

test('the install, the Deliveries and whom they trust become a package, which the puller keeps the cluster at', async () => {
  const before = (await pullerPods(site)).map((pod) => field(pod, 'metadata', 'uid'))
  const hello = field(await site.get('deployment', 'hello', 'hello'), 'metadata', 'uid')
  const printed = await reader.follow(PLATFORM, 'platform')
  assert.match(printed, /^waybill-system +waybill +production +True +1\.0\.0/m)
  assert.equal(field(await site.get('deployment', 'hello', 'hello'), 'metadata', 'uid'), hello)
  const now = (await pullerPods(site)).map((pod) => field(pod, 'metadata', 'uid'))
  assert.equal(now.length, before.length)
  assert.match(await site.recordKinds('waybill-system', 'waybill'), /Applied$/)
})

test('the puller upgrades itself from a signed release, and goes on', async () => {
  const pods = async () => pullerPods(site)
  const image = async () => String(field((await pods())[0], 'spec', 'containers', 0, 'image'))
  const old = await image()
  await node.push(await newVersion('0.2.0'), '0.2.0', 'acme/waybill')
  await reader.follow(PLATFORM, 'platform-upgrade', { NEW: '0.2.0' })
  await until('only new pullers run', 240_000, async () => {
    const all = await pods()
    const images = all.map((pod) => String(field(pod, 'spec', 'containers', 0, 'image')))
    return all.length === 2 && images.every((one) => one !== old)
  })
  await site.becomes('waybill-system', 'waybill', 'True Applied')
  const delivery = await site.get('delivery', 'waybill-system', 'waybill')
  assert.equal(field(delivery, 'status', 'applied', 'version'), '1.1.0')
  for (const pod of await pods()) assert.equal(field(pod, 'status', 'containerStatuses', 0, 'restartCount'), 0)
  assert.match(await site.recordKinds('waybill-system', 'waybill'), /Intent( Intent)* Applied$/)
  assert.match(await site.waybill('audit', 'waybill', '-n', 'waybill-system'), /whole and in order/)
  await node.kubectl(['delete', 'configmap', 'hello', '-n', 'hello'])
  await until(
    'the new puller puts back what is deleted',
    60_000,
    async () => (await site.get('configmap', 'hello', 'hello')) !== undefined,
  )
})

test('a new puller that does not come up leaves the old ones at work, and a better release takes its place', {
  timeout: 600_000,
}, async () => {
  const file = join(reader.folder, 'platform/deploy/waybill.yaml')
  const good = readFileSync(file, 'utf8')
  writeFileSync(file, good.replace(/image: \S+\/waybill@\S+/, `image: ${crashing}`))
  await publishPlatform('1.2.0')
  await until('the new puller crashes', 120_000, async () => {
    const images = (await pullerPods(site)).filter((pod) =>
      field(pod, 'status', 'containerStatuses', 0, 'restartCount'),
    )
    return images.some((pod) => field(pod, 'spec', 'containers', 0, 'image') === crashing)
  })
  assert.equal(await site.ready('waybill-system', 'waybill'), 'Unknown Progressing')
  assert.match(
    JSON.stringify(await site.get('delivery', 'waybill-system', 'waybill')),
    /Deployment\.apps waybill-system\/waybill-puller/,
  )
  await node.kubectl(['delete', 'configmap', 'hello', '-n', 'hello'])
  await until('an old puller puts back what is deleted', 60_000, async () => {
    return (await site.get('configmap', 'hello', 'hello')) !== undefined
  })
  writeFileSync(file, good)
  await publishPlatform('1.3.0')
  await until('the better release runs', 180_000, async () => {
    const delivery = await site.get('delivery', 'waybill-system', 'waybill')
    return field(delivery, 'status', 'applied', 'version') === '1.3.0'
  })
  await until('the one that crashed is gone', 60_000, async () =>
    (await pullerPods(site)).every((pod) => field(pod, 'spec', 'containers', 0, 'image') !== crashing),
  )
})

test('a cluster that is lost comes back at the same digests by the procedure of docs/operations.md', {
  timeout: 600_000,
}, async () => {
  await reader.follow(OPERATIONS, 'keep')
  const before = await running()
  assert.equal(before.length, 2)
  assert.ok(
    before.every((line) => /sha256:[0-9a-f]{64}$/.test(line)),
    String(before),
  )
  const [kept = ''] = readdirSync(reader.folder).filter((file) => file.startsWith('records-'))
  await node.stop()
  node = await startNode({ registryFolder })
  site = await openSite(node, '')
  assert.equal(await site.get('namespace', '', 'hello'), undefined)
  const again = await readerAt(node, reader.folder)
  await again.follow(OPERATIONS, 'recovery')
  assert.deepEqual(await running(), before)
  assert.equal(field(await site.get('deployment', 'hello', 'hello'), 'status', 'readyReplicas'), 1)
  for (const [namespace, name] of [
    ['waybill-system', 'waybill'],
    ['hello', 'hello'],
  ] as const) {
    const audit = await site.waybill('audit', name, '-n', namespace, '--key', join(reader.folder, 'puller.pub'))
    assert.match(audit, /whole and in order/)
    const old = ['--records', join(reader.folder, kept), '--key', join(reader.folder, 'puller.pub')]
    assert.match(await site.waybill('audit', name, ...old), /[2-9] records, whole and in order/)
  }
})

/** Commits and publishes the platform as the reader left it. */
async function publishPlatform(version: string): Promise<void> {
  const repo = join(reader.folder, 'platform')
  commitAll(repo, `Change to ${version}`)
  const key = join(reader.folder, 'platform.key')
  const where = ['--repo', repo, '--key', key, '--ca-file', node.registryCa]
  await site.waybill('publish', ...where, '--version', version, '--channel', 'production')
  const now = `waybill.dev/reconcile=${version}`
  await node.kubectl(['annotate', 'delivery', 'waybill', '-n', 'waybill-system', '--overwrite', now])
}

/** The image of this checkout, as a later version of it. */
async function newVersion(version: string): Promise<string> {
  const root = tempFolder()
  for (const file of git(ROOT, 'ls-files', '--cached', '--others', '--exclude-standard').split('\n'))
    cpSync(join(ROOT, file), join(root, file))
  symlinkSync(join(ROOT, 'node_modules'), join(root, 'node_modules'))
  const about = join(root, 'package.json')
  writeFileSync(about, readFileSync(about, 'utf8').replace(/"version": "[^"]*"/, `"version": "${version}"`))
  git(root, 'init', '-q')
  const folder = join(tempFolder(), 'image')
  await buildImage({ folder, root, env: process.env, now: new Date() })
  return folder
}
