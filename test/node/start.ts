import { rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { ensureTools, type ToolName } from '../../tools/build.ts'
import { type Progress, progressOn } from '../../tools/progress.ts'
import { field } from '../real/cluster.ts'
import { removeCgroupAtEnd, type Service, scratchDirectory } from '../real/process.ts'
import { NODE, REGISTRY } from './addresses.ts'
import { holdCgroups, makeCgroups, removeCgroup } from './cgroups.ts'
import { writeConfigs } from './configs.ts'
import { type Place, startApiServer, startControllers, startEtcd, writeIdentities } from './control.ts'
import { removeForgotten } from './forgotten.ts'
import { pushPause } from './images.ts'
import { makeNamespaces, type Namespaces } from './namespaces.ts'
import { type ClusterNode, nodeAt, nodeFrom } from './node.ts'
import { nodeRefusal } from './refusal.ts'
import { prepareRegistry, type RegistryFolder, startRegistry } from './registry.ts'
import { startContainerd, startWorker } from './worker.ts'

/** The environment variable that names a JSON file with the NodeAddress that all test files of one run share. */
export const sharedNodeVariable = 'WAYBILL_TEST_NODE'

/** What a node runs beside what the machine's packages bring. */
export const NODE_TOOLS = [
  'oras',
  'registry',
  'etcd',
  'kube-apiserver',
  'kubectl',
  'kube-controller-manager',
  'kube-scheduler',
  'kubelet',
  'kube-proxy',
  'pause',
  'shop',
] as const satisfies readonly ToolName[]

/** A node that this process started, and that ends with it at the latest. */
export type RealNode = ClusterNode & {
  /** Kills the API server (SIGKILL), waits `pauseMs` (1 s), starts it again and waits until it is ready. */
  readonly restartApiServer: (options?: { readonly pauseMs?: number }) => Promise<void>
  readonly stopRegistry: () => Promise<void>
  /** Starts the registry again, on its port and with its content. Does nothing while it runs. */
  readonly startRegistry: () => Promise<void>
  /**
   * Takes the network away for some milliseconds, or while `lasting` runs, then gives it back: kubelet, kube-proxy and pods
   * do not reach the API server and the registry, nor the API server kubelet; packets vanish. kubectl on 127.0.0.1, the
   * controllers and the scheduler, which stand beside the API server, go on. Pods still reach each other.
   */
  readonly loseNetwork: (lasting: number | (() => Promise<unknown>)) => Promise<void>
  /** Ends every process and removes folders and cgroups. The registry's folder stays if it was given. */
  readonly stop: () => Promise<void>
}

export type NodeOptions = {
  /** Of the registry: its content, certificate and authority. One that was used before serves the same again, to a new cluster. */
  readonly registryFolder?: string
  readonly progress?: Progress
}

/**
 * Starts a Kubernetes of one node in namespaces of its own: etcd, API server, controllers, scheduler, kubelet and kube-proxy as
 * the recipes build them; containerd, runc and CNI plug-ins of the machine; and a registry with TLS. It is Ready, and has room
 * for pods. Nothing leads out of its network. Throws what `nodeRefusal` says where no node can run.
 */
export async function startNode(options: NodeOptions = {}): Promise<RealNode> {
  const { progress = progressOn(process.stderr) } = options
  const refusal = nodeRefusal({ progress })
  if (refusal !== undefined) throw new Error(refusal)
  removeForgotten()
  const tools = await ensureTools(NODE_TOOLS, { progress })
  const folder = scratchDirectory(`node-${process.pid}`)
  const registry = prepareRegistry(options.registryFolder ?? join(folder, 'registry'))
  const cgroup = basename(folder)
  const cgroups = makeCgroups(cgroup)
  for (const path of cgroups) removeCgroupAtEnd(path)
  let namespaces: Namespaces | undefined
  const stop = async () => {
    await namespaces?.end()
    for (const path of cgroups) while (!removeCgroup(path)) await sleep(20)
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  }
  try {
    namespaces = await makeNamespaces({
      folder,
      hostname: NODE.name,
      services: NODE.services,
      addresses: [NODE.controlAddress, NODE.address],
    })
    holdCgroups(cgroups, namespaces.pid)
    const node = nodeAt({ pid: namespaces.pid, folder, registryCa: registry.caFile, tools })
    return { ...node, ...(await startServices({ folder, namespaces, tools }, { node, registry, cgroup })), stop }
  } catch (error) {
    await stop()
    throw error
  }
}

type Parts = { readonly node: ClusterNode; readonly registry: RegistryFolder; readonly cgroup: string }

async function startServices(
  place: Place & { readonly tools: Awaited<ReturnType<typeof ensureTools<(typeof NODE_TOOLS)[number]>>> },
  { node, registry, cgroup }: Parts,
) {
  const { folder, namespaces, tools } = place
  writeIdentities(folder)
  const apiReady = async () => (await node.kubectl(['get', '--raw', '/readyz'])) === 'ok'
  const beginApi = () => startApiServer(place, apiReady)
  const beginRegistry = () =>
    startRegistry(registry, {
      namespaces,
      tools,
      isReady: async () => (await node.get(`https://${REGISTRY}/v2/`)).status === 200,
    })
  await startEtcd(place)
  const started = await Promise.all([beginApi(), beginRegistry()])
  let [apiServer] = started
  let served: Service | undefined = started[1]
  const pauseImage = await pushPause(node, tools.pause)
  writeConfigs({ folder, cgroup, pauseImage, registryCa: registry.caFile })
  await Promise.all([startContainerd(place), startControllers(place)])
  await startWorker(place)
  await hasRoom(node)
  return {
    restartApiServer: async ({ pauseMs = 1_000 }: { readonly pauseMs?: number } = {}) => {
      await apiServer.kill()
      await sleep(pauseMs)
      apiServer = await beginApi()
    },
    stopRegistry: async () => {
      await served?.kill()
      served = undefined
    },
    startRegistry: async () => {
      served ??= await beginRegistry()
    },
    loseNetwork: (lasting: number | (() => Promise<unknown>)) => loseNetwork(node, lasting),
  }
}

/** Waits until a pod could be started: the node is ready and untainted, and there is an account that pods have. */
async function hasRoom(node: ClusterNode): Promise<void> {
  await node.eventually(
    'the node is ready for pods',
    async () => {
      const { status, stdout } = await node.run('kubectl', [
        'get',
        `node/${NODE.name}`,
        'serviceaccount/default',
        '-o',
        'json',
      ])
      if (status !== 0) return false
      const found: unknown = JSON.parse(stdout)
      const conditions = field(found, 'items', 0, 'status', 'conditions')
      const ready = Array.isArray(conditions) && conditions.some((one) => one.type === 'Ready' && one.status === 'True')
      return ready && field(found, 'items', 0, 'spec', 'taints') === undefined
    },
    90_000,
  )
}

const lost = [
  ['INPUT', '-d', NODE.controlAddress],
  ['OUTPUT', '-s', NODE.controlAddress],
  ['INPUT', '-d', NODE.address, '-p', 'tcp', '--dport', String(NODE.kubeletPort)],
] as const

async function loseNetwork(node: ClusterNode, lasting: number | (() => Promise<unknown>)): Promise<void> {
  const change = async (verb: '-I' | '-D') => {
    for (const [chain, ...match] of lost) {
      const { status, stderr } = await node.run('iptables', ['-w', verb, chain, ...match, '-j', 'DROP'])
      if (status !== 0) throw new Error(`iptables ${verb} ${chain}: ${stderr.trim()}`)
    }
  }
  await change('-I')
  try {
    await (typeof lasting === 'number' ? sleep(lasting) : lasting())
  } finally {
    await change('-D')
  }
}

let own: Promise<ClusterNode> | undefined

/** The node that this test run shares; when a test file is run by hand, one of its own for as long as it runs. */
export function useNode(): Promise<ClusterNode> {
  const shared = process.env[sharedNodeVariable]
  own ??= shared === undefined ? startNode() : Promise.resolve(nodeFrom(shared))
  return own
}

/** Writes the address of a node to a file in its folder, for `sharedNodeVariable`. Returns the file's path. */
export function shareNode({ pid, folder, registryCa, tools }: ClusterNode): string {
  const path = join(folder, 'address.json')
  writeFileSync(path, JSON.stringify({ pid, folder, registryCa, tools }), { mode: 0o600 })
  return path
}
