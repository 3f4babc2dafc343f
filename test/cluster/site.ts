import assert from 'node:assert/strict'
import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { ensureTools } from '../../tools/build.ts'
import { buildImage } from '../../tools/image/build-image.ts'
import { WAYBILL } from '../cli/command.ts'
import { NODE } from '../node/addresses.ts'
import type { ClusterNode } from '../node/node.ts'
import { tempFolder } from '../packager/repository.ts'
import { field } from '../real/cluster.ts'

/** A real cluster with Waybill in it, as a person at a desk sees it: by `waybill` and `kubectl`. */
export type Site = {
  readonly node: ClusterNode
  /** The puller's image, by digest. */
  readonly image: string
  /** PEM of the key that signs what this test publishes. */
  readonly key: string
  /** Runs the command line where the cluster and the registry can be reached; its standard output. Fails with all that it said. */
  waybill(...args: readonly string[]): Promise<string>
  /** Applies what a command of Waybill printed, or any YAML or JSON, by server-side apply. */
  apply(objects: string | object): Promise<void>
  /** One object, or undefined when there is none. */
  get(kind: string, namespace: string, name: string): Promise<unknown>
  /** Objects of a kind; of all namespaces where none is named. */
  list(kind: string, namespace?: string, selector?: string): Promise<readonly unknown[]>
  /** Reason of a Delivery's condition Ready, `True Applied` or so. */
  ready(namespace: string, name: string): Promise<string>
  /** Waits until that is so; fails with the whole status. */
  becomes(namespace: string, name: string, ready: string, waitMs?: number): Promise<void>
  /** Kinds of the Delivery's records, in order. */
  recordKinds(namespace: string, name: string): Promise<string>
}

/** The program of this checkout as an image, in the node's registry; by digest. */
export async function pushPuller(node: ClusterNode): Promise<string> {
  const folder = join(tempFolder(), 'image')
  const { tag } = await buildImage({ folder, env: process.env, now: new Date() })
  return node.push(folder, tag, 'waybill')
}

export async function openSite(node: ClusterNode, image: string): Promise<Site> {
  const key = join(tempFolder(), 'release.key')
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  writeFileSync(key, pair.privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 })
  const { kustomize, helm } = await ensureTools(['kustomize', 'helm'])
  const env = { HOME: tempFolder(), WAYBILL_KUSTOMIZE: kustomize, WAYBILL_HELM: helm }
  const waybill: Site['waybill'] = async (...args) => {
    const ran = await node.run(process.execPath, [WAYBILL, ...args], { env })
    assert.equal(ran.status, 0, `waybill ${args.join(' ')}: ${ran.stderr}${ran.stdout}`)
    return ran.stdout
  }
  const list: Site['list'] = async (kind, namespace, selector) => {
    const where = namespace === undefined ? ['--all-namespaces'] : ['--namespace', namespace]
    const which = selector === undefined ? [] : ['--selector', selector]
    const items = field(JSON.parse(await node.kubectl(['get', kind, ...where, ...which, '-o', 'json'])), 'items')
    return Array.isArray(items) ? items : []
  }
  const get: Site['get'] = async (kind, namespace, name) => {
    const text = await node.kubectl(['get', kind, name, '-n', namespace, '-o', 'json', '--ignore-not-found'])
    return text.trim() === '' ? undefined : JSON.parse(text)
  }
  const condition = async (namespace: string, name: string) => {
    const found = field(await get('delivery', namespace, name), 'status', 'conditions')
    return (Array.isArray(found) ? found : []).find((one) => field(one, 'type') === 'Ready')
  }
  const ready: Site['ready'] = async (namespace, name) => {
    const found = await condition(namespace, name)
    return `${String(field(found, 'status'))} ${String(field(found, 'reason'))}`
  }
  return {
    node,
    image,
    key,
    waybill,
    apply: async (objects) => {
      const input = typeof objects === 'string' ? objects : JSON.stringify(objects)
      await node.kubectl(['apply', '--server-side', '-f', '-'], { input })
    },
    get,
    list,
    ready,
    becomes: async (namespace, name, wanted, waitMs = 180_000) => {
      await until(
        `${namespace}/${name} is ${wanted}`,
        waitMs,
        async () => (await ready(namespace, name)) === wanted,
        () => get('delivery', namespace, name).then((found) => JSON.stringify(field(found, 'status'), null, 1)),
      )
    },
    recordKinds: async (namespace, name) => {
      const records = await list('deliveryrecords', namespace)
      const specs = records
        .map((record) => field(record, 'spec'))
        .filter((spec) => field(spec, 'delivery', 'name') === name)
      specs.sort((a, b) => Number(field(a, 'sequence')) - Number(field(b, 'sequence')))
      return specs.map((spec) => field(spec, 'kind')).join(' ')
    },
  }
}

/** Installs Waybill as README says, from its image, and waits until both replicas are ready. */
export async function install(site: Site, ...flags: readonly string[]): Promise<void> {
  const printed = await site.waybill(
    'install',
    '--image',
    site.image,
    '--ca-file',
    site.node.registryCa,
    ...egress(),
    ...flags,
  )
  await site.apply(printed)
  await site.node.kubectl(['rollout', 'status', 'deployment/waybill-puller', '-n', 'waybill-system', '--timeout=180s'])
}

/** The ports of this lab's API server and registry. */
function egress(): string[] {
  return [NODE.apiPort, NODE.registryPort].flatMap((port) => ['--egress-port', String(port)])
}

/** A TrustPolicy that asks the site's key for everything, of repositories below `pattern`. */
export function trustPolicy(site: Site, name: string, pattern: string): object {
  const pem = createPublicKey(readFileSync(site.key)).export({ type: 'spki', format: 'pem' })
  const by = { by: ['ci'] }
  return {
    apiVersion: 'waybill.dev/v1alpha1',
    kind: 'TrustPolicy',
    metadata: { name },
    spec: {
      repositories: [pattern],
      authorities: [{ name: 'ci', key: { pem } }],
      require: { signature: by, provenance: by, release: by, promotion: by },
    },
  }
}

/** Waits until `check` holds; after `waitMs` it fails, with what `tell` says of how things are. */
export async function until(
  what: string,
  waitMs: number,
  check: () => Promise<boolean>,
  tell?: () => Promise<string>,
): Promise<void> {
  for (const deadline = Date.now() + waitMs; ; await sleep(500)) {
    if (await check()) return
    if (Date.now() > deadline) throw new Error(`not within ${waitMs} ms: ${what}\n${(await tell?.()) ?? ''}`)
  }
}

/** A namespace, an account, whom it trusts, and a Delivery of `repository:production` that is called as the namespace is. */
export async function addTenant(site: Site, name: string, repository: string, spec: object = {}): Promise<void> {
  const ca = readFileSync(site.node.registryCa, 'utf8')
  await site.apply(await site.waybill('tenant', name))
  await site.apply(trustPolicy(site, name, repository))
  await site.apply({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'registry-ca', namespace: name },
    stringData: { 'ca.crt': ca },
  })
  await site.apply({
    apiVersion: 'waybill.dev/v1alpha1',
    kind: 'Delivery',
    metadata: { name, namespace: name },
    spec: { source: { repository, channel: 'production', caSecret: { name: 'registry-ca' } }, interval: '2s', ...spec },
  })
}

/** Those that are not on their way out. */
export async function pullerPods(site: Site): Promise<readonly unknown[]> {
  const pods = await site.list('pods', 'waybill-system', 'app.kubernetes.io/name=waybill-puller')
  return pods.filter((pod) => field(pod, 'metadata', 'deletionTimestamp') === undefined)
}

/** The pod that leads: the first part of who holds the Lease. */
export async function leader(site: Site): Promise<string> {
  const holder = field(await site.get('lease', 'waybill-system', 'waybill-puller'), 'spec', 'holderIdentity')
  return String(holder ?? '').split('_')[0] ?? ''
}
