import { generateKeyPairSync } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { field } from '../../test/real/cluster.ts'
import { builderId, delivery, trustPolicy } from './manifests.ts'
import { createPuller, type DemoPuller } from './puller.ts'
import { createShopRepository, replaceOnce, type ShopRepository } from './repository.ts'
import { createEyes, type Eyes, namespace } from './see.ts'
import type { World } from './world.ts'

/** What the steps hand to each other. */
export type Scene = World & {
  readonly shop: ShopRepository
  readonly key: string
  readonly puller: DemoPuller
  readonly eyes: Eyes
}

/** A release that the story made. */
type Release = { readonly version: string; readonly digest: string; readonly revision: string }

/** Tells the whole story in a world. Rejects at the first thing that does not happen as told. */
export async function tellStory(world: World, begun: (puller: DemoPuller) => void): Promise<void> {
  const scene = await setUp(world, begun)
  const first = await firstRelease(scene)
  const second = await secondRelease(scene)
  await driftIsPutBack(scene)
  await unsignedIsRefused(scene, second)
  await movedBackIsRefused(scene, first, second)
  await rollBack(scene, first)
  await theRecord(scene, first, second)
}

async function setUp(world: World, begun: (puller: DemoPuller) => void): Promise<Scene> {
  const { narrator, shell, directory, artifacts } = world
  narrator.step('A Git repository, a key, and a cluster that knows whom to trust')
  const shop = await createShopRepository(join(directory, 'shop'), artifacts, shell)
  narrator.say(`examples/shop is a Git repository now; its artifacts go to ${artifacts}`)
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const key = join(directory, 'ci.pem')
  writeFileSync(key, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 })
  await apply(world, 'waybill', ['install', '--crds-only'])
  await shell.quiet('kubectl', [
    'wait',
    '--for=condition=Established',
    'crd/deliveries.waybill.dev',
    'crd/trustpolicies.waybill.dev',
  ])
  await apply(world, 'waybill', ['tenant', namespace])
  const puller = await createPuller(world)
  begun(puller)
  const policy = trustPolicy(artifacts, publicKey.export({ type: 'spki', format: 'pem' }).toString())
  await applyText(world, 'trust-policy.yaml', policy)
  await applyText(world, 'delivery.yaml', delivery(artifacts))
  narrator.command('waybill puller &')
  await puller.start()
  return { ...world, shop, key, puller, eyes: createEyes(world, puller) }
}

async function firstRelease(scene: Scene): Promise<Release> {
  const { narrator, shell, shop, eyes } = scene
  narrator.step('A commit becomes release 1.0.0, and the cluster runs it')
  const release = await publishAndPromote(scene, await shop.commit('The shop opens'), '1.0.0', 'the shop opens')
  await isApplied(scene, release)
  await shell.show('kubectl', ['-n', namespace, 'get', 'deployments,pods'])
  eyes.now('the api runs with 2 replicas, as that commit says', (await replicas(eyes)) === '2', await replicas(eyes))
  return release
}

async function secondRelease(scene: Scene): Promise<Release> {
  const { narrator, shell, shop, eyes } = scene
  narrator.step('A second commit changes one thing and takes out another')
  const overlay = 'deploy/overlays/production'
  const kustomization = shop.file(`${overlay}/kustomization.yaml`)
  shop.write(`${overlay}/kustomization.yaml`, replaceOnce(kustomization, /(name: api\n +count: )2/, '$13'))
  const budgets = shop.file(`${overlay}/disruption-budgets.yaml`)
  shop.write(`${overlay}/disruption-budgets.yaml`, replaceOnce(budgets, /---\n.*$/s, ''))
  const release = await publishAndPromote(scene, await shop.commit('Sell more'), '1.1.0', 'sell more')
  await isApplied(scene, release)
  await shell.show('kubectl', ['-n', namespace, 'get', 'deployments,poddisruptionbudgets'])
  eyes.now('the api runs with 3 replicas now', (await replicas(eyes)) === '3', await replicas(eyes))
  const gone = (await eyes.value('poddisruptionbudget/web', '{.metadata.name}')) === ''
  eyes.now('the disruption budget that the commit took out is gone', gone, 'It is still there.')
  return release
}

async function driftIsPutBack(scene: Scene): Promise<void> {
  const { narrator, shell, eyes } = scene
  narrator.step('Somebody scales by hand, and it is put back')
  const generation = () => eyes.value('deployment/api', '{.metadata.generation}')
  const before = Number(await generation())
  await shell.show('kubectl', ['-n', namespace, 'scale', 'deployment/api', '--replicas=7'])
  await eyes.until('the api has 3 replicas again', async () => {
    return Number(await generation()) >= before + 2 && (await replicas(eyes)) === '3'
  })
  await eyes.until('the record says that drift was corrected', async () => {
    return (await history(scene)).some(({ kind }) => kind === 'DriftCorrected')
  })
  await eyes.delivery('the Delivery is Ready', ({ ready }) => ready === 'True')
}

async function unsignedIsRefused(scene: Scene, running: Release): Promise<void> {
  const { narrator, shell, shop, eyes, artifacts, directory, registryFlags } = scene
  narrator.step('Somebody puts an unsigned artifact under the channel’s tag')
  const before = await eyes.snapshot()
  const config = shop.file('deploy/overlays/production/greeting.yaml')
  shop.write('deploy/overlays/production/greeting.yaml', replaceOnce(config, /(greeting: ).*/, '$1You have been had'))
  await shop.commit('Not what it seems')
  const layout = join(directory, 'unsigned')
  await shell.show('waybill', ['pack', '--repo', shop.directory, '--out', layout])
  const digest = digestIn(layout)
  const to = registryFlags.length > 0 ? ['--to-plain-http'] : []
  await shell.show('oras', ['cp', '--from-oci-layout', ...to, `${layout}@${digest}`, `${artifacts}:production`])
  await isRefused(scene, 'SIGNATURE_MISSING', digest)
  await isUntouched(eyes, before, running)
}

async function movedBackIsRefused(scene: Scene, first: Release, running: Release): Promise<void> {
  const { narrator, shell, eyes, artifacts, registryFlags } = scene
  narrator.step('Somebody moves the channel’s tag back to 1.0.0, which was signed and promoted once')
  const before = await eyes.snapshot()
  await shell.show('oras', ['tag', ...registryFlags, `${artifacts}@${first.digest}`, 'production'])
  await isRefused(scene, 'PROMOTION_REPLAYED', first.digest)
  await isUntouched(eyes, before, running)
  narrator.say('The tag is put right again:')
  await shell.show('oras', ['tag', ...registryFlags, `${artifacts}@${running.digest}`, 'production'])
  await isApplied(scene, running)
}

async function rollBack(scene: Scene, to: Release): Promise<void> {
  const { narrator, shell, eyes, puller, registry } = scene
  narrator.step('Back to 1.0.0 by digest, with the registry gone and the puller restarted')
  await registry.off()
  narrator.say(`${registry.offMeans} The puller is stopped, and started again.`)
  await puller.stop()
  await puller.start()
  const reason = ['--reason', 'checkout fails']
  await shell.show('waybill', ['rollback', 'shop', '-n', namespace, '--to', to.digest, ...reason])
  await isApplied(scene, to)
  await shell.show('kubectl', ['-n', namespace, 'get', 'deployments,poddisruptionbudgets'])
  eyes.now('the api runs with 2 replicas again', (await replicas(eyes)) === '2', await replicas(eyes))
  const back = (await eyes.value('poddisruptionbudget/web', '{.metadata.name}')) === 'web'
  eyes.now('the disruption budget of 1.0.0 is back', back, 'It is not.')
}

async function theRecord({ narrator, shell, eyes, ...scene }: Scene, first: Release, second: Release): Promise<void> {
  narrator.step('What was written down, and the proof that nobody changed it')
  await shell.show('waybill', ['history', 'shop', '-n', namespace])
  const records = await history({ shell })
  const has = (kind: string, test: (row: HistoryLine) => boolean) =>
    records.some((row) => row.kind === kind && test(row))
  eyes.now(
    'both releases are recorded as applied',
    [first, second].every((release) => has('Applied', isOf(release))),
    '',
  )
  eyes.now('the rollback is recorded', has('RolledBack', isOf(first)), '')
  for (const code of ['SIGNATURE_MISSING', 'PROMOTION_REPLAYED']) {
    eyes.now(
      `the refusal ${code} is recorded`,
      has('Refused', ({ error }) => error.startsWith(code)),
      '',
    )
  }
  await shell.show('waybill', ['audit', 'shop', '-n', namespace])
  const audit: unknown = JSON.parse(
    await shell.quiet('waybill', ['audit', 'shop', '-n', namespace, '--output', 'json']),
  )
  eyes.now(
    'the audit finds every record whole, signed and in order',
    field(audit, 'ok') === true,
    JSON.stringify(audit),
  )
  await scene.registry.on()
}

async function publishAndPromote(scene: Scene, revision: string, version: string, reason: string): Promise<Release> {
  const { shell, shop, key, artifacts, registryFlags, eyes } = scene
  const build = ['--builder-id', builderId, '--ref', 'refs/heads/main']
  const publish = ['publish', '--repo', shop.directory, '--version', version, '--key', key, ...build, ...registryFlags]
  await shell.show('waybill', publish)
  const reference = `${artifacts}:${version}`
  const digest = (await shell.quiet('oras', ['resolve', ...registryFlags, reference])).trim()
  eyes.now(`${version} is ${digest} in the registry`, /^sha256:[0-9a-f]{64}$/.test(digest), digest)
  await shell.show('waybill', [
    'promote',
    reference,
    '--to',
    'production',
    '--key',
    key,
    '--reason',
    reason,
    ...registryFlags,
  ])
  return { version, digest, revision }
}

async function isApplied({ eyes, shell }: Scene, { version, digest }: Release): Promise<void> {
  await eyes.delivery(`the cluster runs ${version} and says that it is healthy`, (seen) => {
    return seen.ready === 'True' && seen.appliedDigest === digest
  })
  await shell.show('waybill', ['get', '-n', namespace])
}

async function isRefused(scene: Scene, code: string, digest: string): Promise<void> {
  const seen = await scene.eyes.delivery(`it is refused: ${code}`, ({ ready, reason, message }) => {
    return ready === 'False' && `${reason} ${message}`.includes(code)
  })
  scene.narrator.answer(seen.message)
  await scene.eyes.until('and the refusal is on record', async () => {
    return (await history(scene)).some(
      (row) => row.kind === 'Refused' && row.digest === digest && row.error.startsWith(code),
    )
  })
}

async function isUntouched(eyes: Eyes, before: string, { digest, version }: Release): Promise<void> {
  const after = await eyes.snapshot()
  eyes.now('not one object in the cluster was written to', after === before, `Before:\n${before}\nAfter:\n${after}`)
  await eyes.delivery(`${version} still runs`, ({ appliedDigest }) => appliedDigest === digest)
}

type HistoryLine = { readonly kind: string; readonly digest: string; readonly error: string }

async function history({ shell }: Pick<Scene, 'shell'>): Promise<readonly HistoryLine[]> {
  const args = ['history', 'shop', '-n', namespace, '--output', 'json']
  const records = field(JSON.parse(await shell.quiet('waybill', args)), 'records')
  const text = (value: unknown) => (typeof value === 'string' ? value : '')
  return (Array.isArray(records) ? records : []).map((row: unknown) => ({
    kind: text(field(row, 'kind')),
    digest: text(field(row, 'digest')),
    error: text(field(row, 'error')),
  }))
}

const isOf = (release: Release) => (row: HistoryLine) => row.digest === release.digest
const replicas = (eyes: Eyes) => eyes.value('deployment/api', '{.status.readyReplicas}')

/** The digest of the one artifact in an OCI layout on disk. */
function digestIn(layout: string): string {
  const index: unknown = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8'))
  const digest = field(index, 'manifests', 0, 'digest')
  if (typeof digest !== 'string') throw new Error(`no artifact in ${layout}`)
  return digest
}

/** `PROGRAM … | kubectl apply`, shown as one command. */
async function apply({ shell, narrator, directory }: World, program: string, args: readonly string[]): Promise<void> {
  narrator.command(`${[program, ...args].join(' ')} | kubectl apply --server-side -f -`)
  const input = await shell.quiet(program, args)
  writeFileSync(join(directory, `${args[0]}.yaml`), input)
  narrator.answer(await shell.quiet('kubectl', ['apply', '--server-side', '-f', '-'], { input }))
}

async function applyText({ shell, directory }: World, name: string, text: string): Promise<void> {
  const path = join(directory, name)
  writeFileSync(path, text)
  await shell.show('kubectl', ['apply', '--server-side', '-f', path])
}
