import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ensureTools, type ToolName, type Tools } from '../../tools/build.ts'
import { type Progress, progressOn } from '../../tools/progress.ts'
import { type Cluster, type ClusterAddress, clusterAt, TEST_USERS, writeKubeconfig } from './cluster.ts'
import { freePort } from './ports.ts'
import { type Service, scratchDirectory, startService, untilReady } from './process.ts'

export { type Cluster, type ClusterAddress, clusterAt, field, TEST_USERS } from './cluster.ts'

/** The environment variable that names a JSON file with the ClusterAddress that all test files of one run share. */
export const sharedClusterVariable = 'WAYBILL_TEST_CLUSTER'

const controlPlaneTools = [
  'etcd',
  'kube-apiserver',
  'kubectl',
  'kube-controller-manager',
  'kube-scheduler',
  'kwok',
] as const satisfies readonly ToolName[]

/** A control plane that this process started, and that ends with it at the latest. */
export type ControlPlane = Cluster & {
  readonly stopApiserver: () => Promise<void>
  /** Starts the API server again on its port with its data, and waits until it is ready. */
  readonly startApiserver: () => Promise<void>
  readonly restartApiserver: () => Promise<void>
  /** The store, under an API server that goes on running. */
  readonly stopEtcd: () => Promise<void>
  readonly startEtcd: () => Promise<void>
  /** Ends every process and removes the folder, unless it was given. */
  readonly stop: () => Promise<void>
}

/** All parts run unless they are switched off. `dir` is an existing empty folder; default: a new one, removed at the end. */
export type ControlPlaneOptions = {
  readonly dir?: string
  readonly controllers?: boolean
  readonly scheduler?: boolean
  readonly kwok?: boolean
  readonly progress?: Progress
}

/**
 * Starts etcd and a real kube-apiserver with RBAC and an audit log on free ports of 127.0.0.1, and, unless switched off,
 * controllers, scheduler and kwok with one node, so that Pods become Ready. Ready in a few seconds once the tools are built.
 */
export async function startControlPlane(options: ControlPlaneOptions = {}): Promise<ControlPlane> {
  const { controllers = true, scheduler = true, kwok = true, progress = progressOn(process.stderr) } = options
  const tools = await ensureTools(controlPlaneTools, { progress })
  const directory = options.dir ?? scratchDirectory('cluster')
  const { services, ports, cluster, ...first } = await startStore(tools, directory)
  let { apiserver, etcd } = first
  if (controllers) services.push(await startControllers(tools, directory))
  if (scheduler) services.push(await startScheduler(tools, directory))
  if (kwok) services.push(await startKwok(tools, cluster))
  const stopApiserver = () => apiserver.kill('SIGKILL')
  const startAgain = async () => {
    apiserver = await startApiserver(tools, directory, ports)
    await apiserverReady(apiserver, cluster)
  }
  return {
    ...cluster,
    stopApiserver,
    startApiserver: startAgain,
    restartApiserver: async () => {
      await stopApiserver()
      await startAgain()
    },
    stopEtcd: () => etcd.kill('SIGKILL'),
    startEtcd: async () => {
      etcd = await startEtcd(tools.etcd, directory, ports)
      await etcdReady(etcd, ports)
      await apiserverReady(apiserver, cluster)
    },
    stop: async () => {
      await Promise.all([...services, apiserver, etcd].map((service) => service.kill()))
      if (options.dir === undefined) rmSync(directory, { recursive: true, force: true })
    },
  }
}

const startsMax = 3

/** etcd and the API server. Another process may take a free port before they do: then they start again on others. */
async function startStore(tools: Tools<'etcd' | 'kube-apiserver' | 'kubectl'>, directory: string) {
  for (let attempt = 1; ; attempt++) {
    const services: Service[] = []
    try {
      const ports = { etcd: await freePort(), peers: await freePort(), api: await freePort() }
      const cluster = clusterAt(prepare(directory, ports.api, tools.kubectl))
      const etcd = await startEtcd(tools.etcd, directory, ports)
      services.push(etcd)
      await etcdReady(etcd, ports)
      const apiserver = await startApiserver(tools, directory, ports)
      services.push(apiserver)
      await apiserverReady(apiserver, cluster)
      return { services: [] as Service[], etcd, apiserver, ports, cluster }
    } catch (error) {
      await Promise.all(services.map((service) => service.kill()))
      if (attempt === startsMax) throw error
      for (const left of ['etcd', 'certs']) rmSync(join(directory, left), { recursive: true, force: true })
    }
  }
}

let own: Promise<Cluster> | undefined

/** The control plane that this test run shares; when a test file is run by hand, one of its own for as long as it runs. */
export function useControlPlane(): Promise<Cluster> {
  const shared = process.env[sharedClusterVariable]
  own ??=
    shared === undefined ? startControlPlane() : Promise.resolve(clusterAt(parseAddress(readFileSync(shared, 'utf8'))))
  return own
}

/** Writes the address of a cluster to a file in its folder, for `sharedClusterVariable`. Returns the file's path. */
export function shareControlPlane(cluster: ClusterAddress): string {
  const { directory, server, caFile, kubeconfig, adminToken, auditLog, userTokens, kubectl } = cluster
  const path = join(directory, 'address.json')
  const address = { directory, server, caFile, kubeconfig, adminToken, auditLog, userTokens, kubectl }
  writeFileSync(path, JSON.stringify(address), { mode: 0o600 })
  return path
}

const parts = ['kube-controller-manager', 'kube-scheduler', 'kwok'] as const
const kubeconfigOf = (directory: string, part: string) => join(directory, `${part}.kubeconfig`)

/** Writes keys, tokens and kubeconfigs. The server makes its own certificate, into `certs`, when it starts. */
function prepare(directory: string, port: number, kubectl: string): ClusterAddress {
  mkdirSync(join(directory, 'certs'), { recursive: true })
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  writeFileSync(join(directory, 'sa.pub'), publicKey.export({ type: 'spki', format: 'pem' }))
  writeFileSync(join(directory, 'sa.key'), privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 })
  const token = () => randomBytes(24).toString('hex')
  const tokens = { admin: token(), 'kube-controller-manager': token(), 'kube-scheduler': token(), kwok: token() }
  const userTokens = Object.fromEntries(TEST_USERS.map((user) => [user, token()]))
  const lines = [
    `${tokens.admin},waybill-test:admin,admin,system:masters`,
    `${tokens['kube-controller-manager']},system:kube-controller-manager,kcm,`,
    `${tokens['kube-scheduler']},system:kube-scheduler,scheduler,`,
    `${tokens.kwok},waybill-test:kwok,kwok,system:masters`,
    ...TEST_USERS.map((user) => `${userTokens[user]},${user},${user},people`),
  ]
  writeFileSync(join(directory, 'tokens.csv'), `${lines.join('\n')}\n`, { mode: 0o600 })
  const caFile = join(directory, 'certs', 'apiserver.crt')
  const server = `https://127.0.0.1:${port}`
  for (const part of parts) writeKubeconfig(kubeconfigOf(directory, part), { server, caFile }, part, tokens[part])
  const kubeconfig = kubeconfigOf(directory, 'admin')
  writeKubeconfig(kubeconfig, { server, caFile }, 'admin', tokens.admin)
  const auditLog = join(directory, 'audit.log')
  return { directory, server, caFile, kubeconfig, adminToken: tokens.admin, auditLog, userTokens, kubectl }
}

type Ports = { readonly etcd: number; readonly peers: number; readonly api: number }

function startEtcd(etcd: string, directory: string, ports: Ports): Promise<Service> {
  const client = `http://127.0.0.1:${ports.etcd}`
  const peer = `http://127.0.0.1:${ports.peers}`
  return startService({
    command: etcd,
    args: etcdArguments(directory, client, peer),
    log: join(directory, 'etcd.log'),
  })
}

/** Of a single etcd that keeps its data in `etcd` of this folder, and is gone with it. `client` and `peer` are URLs. */
export function etcdArguments(directory: string, client: string, peer: string): string[] {
  return [
    `--data-dir=${join(directory, 'etcd')}`,
    `--listen-client-urls=${client}`,
    `--advertise-client-urls=${client}`,
    `--listen-peer-urls=${peer}`,
    `--initial-advertise-peer-urls=${peer}`,
    `--initial-cluster=default=${peer}`,
    '--unsafe-no-fsync',
  ]
}

function etcdReady(etcd: Service, { etcd: port }: Ports): Promise<void> {
  return untilReady(etcd, 'etcd', 60_000, async () => (await fetch(`http://127.0.0.1:${port}/health`)).ok)
}

function startApiserver(tools: Tools<'kube-apiserver'>, directory: string, ports: Ports): Promise<Service> {
  return startService({
    command: tools['kube-apiserver'],
    args: [
      `--etcd-servers=http://127.0.0.1:${ports.etcd}`,
      '--bind-address=127.0.0.1',
      '--advertise-address=127.0.0.1',
      `--secure-port=${ports.api}`,
      `--cert-dir=${join(directory, 'certs')}`,
      '--endpoint-reconciler-type=none',
      '--service-cluster-ip-range=10.0.0.0/16',
      '--authorization-mode=RBAC',
      '--allow-privileged',
      `--token-auth-file=${join(directory, 'tokens.csv')}`,
      '--service-account-issuer=https://kubernetes.default.svc',
      `--service-account-key-file=${join(directory, 'sa.pub')}`,
      `--service-account-signing-key-file=${join(directory, 'sa.key')}`,
      `--audit-policy-file=${join(import.meta.dirname, 'audit-policy.yaml')}`,
      `--audit-log-path=${join(directory, 'audit.log')}`,
      '--max-requests-inflight=1000',
      '--max-mutating-requests-inflight=500',
    ],
    log: join(directory, 'kube-apiserver.log'),
  })
}

function apiserverReady(apiserver: Service, cluster: Cluster): Promise<void> {
  return untilReady(apiserver, 'kube-apiserver', 60_000, async () => {
    return existsSync(cluster.caFile) && (await cluster.api('GET', '/readyz')).status === 200
  })
}

async function startControllers(tools: Tools<'kube-controller-manager'>, directory: string): Promise<Service> {
  return startService({
    command: tools['kube-controller-manager'],
    args: [
      ...(await commonFlags('kube-controller-manager', directory)),
      '--use-service-account-credentials',
      `--service-account-private-key-file=${join(directory, 'sa.key')}`,
      `--root-ca-file=${join(directory, 'certs', 'apiserver.crt')}`,
    ],
    log: join(directory, 'kube-controller-manager.log'),
  })
}

async function startScheduler(tools: Tools<'kube-scheduler'>, directory: string): Promise<Service> {
  return startService({
    command: tools['kube-scheduler'],
    args: await commonFlags('kube-scheduler', directory),
    log: join(directory, 'kube-scheduler.log'),
  })
}

async function commonFlags(part: string, directory: string): Promise<readonly string[]> {
  return [
    `--kubeconfig=${kubeconfigOf(directory, part)}`,
    '--leader-elect=false',
    '--bind-address=127.0.0.1',
    `--secure-port=${await freePort()}`,
    `--cert-dir=${join(directory, 'certs', part)}`,
    '--kube-api-qps=500',
    '--kube-api-burst=1000',
  ]
}

async function startKwok(tools: Tools<'kwok'>, cluster: Cluster): Promise<Service> {
  const { directory } = cluster
  const node = {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: 'kwok-node', labels: { 'kubernetes.io/hostname': 'kwok-node' } },
  }
  await cluster.api('POST', '/api/v1/nodes', { body: node })
  return startService({
    command: tools.kwok,
    args: [
      `--kubeconfig=${kubeconfigOf(directory, 'kwok')}`,
      `--config=${join(import.meta.dirname, 'kwok-stages.yaml')}`,
      '--manage-all-nodes',
      // Without a lease the node counts as lost after 40 s, and its Pods as not ready.
      '--node-lease-duration-seconds=40',
      '--node-ip=127.0.0.1',
    ],
    log: join(directory, 'kwok.log'),
    env: { ...process.env, HOME: directory },
  })
}

function parseAddress(text: string): ClusterAddress {
  return JSON.parse(text) as ClusterAddress
}
