import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Tools } from '../../tools/build.ts'
import { TEST_USERS, writeKubeconfig } from '../real/cluster.ts'
import { etcdArguments } from '../real/control-plane.ts'
import { type Service, untilReady } from '../real/process.ts'
import { NODE } from './addresses.ts'
import type { Namespaces } from './namespaces.ts'
import { issue, makeAuthority, makeTokenKeys } from './pki.ts'

/** A node's folder, its namespaces, and what is run in them. */
export type Place = {
  readonly folder: string
  readonly namespaces: Namespaces
  readonly tools: Tools<
    'etcd' | 'kube-apiserver' | 'kube-controller-manager' | 'kube-scheduler' | 'kubelet' | 'kube-proxy' | 'kubectl'
  >
}

const parts = ['kube-controller-manager', 'kube-scheduler', 'kube-proxy', 'kubelet'] as const
type Part = (typeof parts)[number]

/** Where an administrator reaches the API server: not over the network that `loseNetwork` takes away. */
const adminServer = `https://127.0.0.1:${NODE.apiPort}`
const nodeServer = `https://${NODE.controlAddress}:${NODE.apiPort}`

/** The kubeconfig of a part, or of a person, in a node's folder. */
export const kubeconfigOf = (folder: string, user: string): string => join(folder, `${user}.kubeconfig`)

export const auditLogOf = (folder: string): string => join(folder, 'audit.log')

/** Writes the certificates, tokens and kubeconfigs of a new cluster. TEST_USERS are people in group `people`, without rights. */
export function writeIdentities(folder: string): void {
  const pki = join(folder, 'pki')
  const caFile = makeAuthority(pki, '/CN=waybill test cluster')
  const service = ['kubernetes', 'kubernetes.default', 'kubernetes.default.svc', 'localhost'].map(
    (name) => `DNS:${name}`,
  )
  const addresses = [NODE.apiServiceAddress, NODE.controlAddress, '127.0.0.1'].map((address) => `IP:${address}`)
  issue(pki, { file: 'apiserver', subject: '/CN=kube-apiserver', names: [...service, ...addresses] })
  issue(pki, { file: 'apiserver-kubelet', subject: '/O=system:masters/CN=kube-apiserver' })
  issue(pki, { file: 'kubelet', subject: `/CN=${NODE.name}`, names: [`DNS:${NODE.name}`, `IP:${NODE.address}`] })
  makeTokenKeys(pki)
  const lines = [
    identity(folder, 'admin', { user: 'waybill-test:admin', groups: 'system:masters', server: adminServer, caFile }),
    ...parts.map((part) => identity(folder, part, { ...whoIs(part), caFile })),
    ...TEST_USERS.map((user) => identity(folder, user, { user, groups: 'people', server: adminServer, caFile })),
  ]
  writeFileSync(join(folder, 'tokens.csv'), `${lines.join('\n')}\n`, { mode: 0o600 })
}

type Identity = { readonly user: string; readonly groups: string; readonly server: string; readonly caFile: string }

function identity(folder: string, name: string, { user, groups, server, caFile }: Identity): string {
  const token = randomBytes(24).toString('hex')
  writeKubeconfig(kubeconfigOf(folder, name), { server, caFile }, name, token)
  return `${token},${user},${name},"${groups}"`
}

function whoIs(part: Part): Omit<Identity, 'caFile'> {
  if (part === 'kubelet') return { user: `system:node:${NODE.name}`, groups: 'system:nodes', server: nodeServer }
  return { user: `system:${part}`, groups: '', server: part === 'kube-proxy' ? nodeServer : adminServer }
}

/** Starts etcd; data in the node's folder. */
export async function startEtcd({ folder, namespaces, tools }: Place): Promise<Service> {
  return namespaces.start({
    command: tools.etcd,
    args: etcdArguments(folder, 'http://127.0.0.1:2379', 'http://127.0.0.1:2380'),
    log: join(folder, 'etcd.log'),
  })
}

/** Starts the API server and waits until `isReady`. */
export async function startApiServer(place: Place, isReady: () => Promise<boolean>): Promise<Service> {
  const { folder, namespaces, tools } = place
  const pki = join(folder, 'pki')
  const apiserver = await namespaces.start({
    command: tools['kube-apiserver'],
    args: [
      '--etcd-servers=http://127.0.0.1:2379',
      '--bind-address=0.0.0.0',
      `--advertise-address=${NODE.controlAddress}`,
      `--secure-port=${NODE.apiPort}`,
      `--service-cluster-ip-range=${NODE.services}`,
      `--cert-dir=${join(folder, 'apiserver')}`,
      `--tls-cert-file=${join(pki, 'apiserver.crt')}`,
      `--tls-private-key-file=${join(pki, 'apiserver.key')}`,
      `--client-ca-file=${join(pki, 'ca.crt')}`,
      `--kubelet-certificate-authority=${join(pki, 'ca.crt')}`,
      `--kubelet-client-certificate=${join(pki, 'apiserver-kubelet.crt')}`,
      `--kubelet-client-key=${join(pki, 'apiserver-kubelet.key')}`,
      '--kubelet-preferred-address-types=InternalIP',
      `--token-auth-file=${join(folder, 'tokens.csv')}`,
      '--service-account-issuer=https://kubernetes.default.svc',
      `--service-account-key-file=${join(pki, 'sa.pub')}`,
      `--service-account-signing-key-file=${join(pki, 'sa.key')}`,
      '--authorization-mode=Node,RBAC',
      '--enable-admission-plugins=NodeRestriction',
      '--allow-privileged',
      `--audit-policy-file=${join(import.meta.dirname, '..', 'real', 'audit-policy.yaml')}`,
      `--audit-log-path=${auditLogOf(folder)}`,
    ],
    log: join(folder, 'kube-apiserver.log'),
  })
  await untilReady(apiserver, 'kube-apiserver', 90_000, isReady)
  return apiserver
}

/** Starts kube-controller-manager and kube-scheduler. */
export async function startControllers({ folder, namespaces, tools }: Place): Promise<void> {
  const start = (part: 'kube-controller-manager' | 'kube-scheduler', args: readonly string[]) =>
    namespaces.start({
      command: tools[part],
      args: [
        `--kubeconfig=${kubeconfigOf(folder, part)}`,
        '--leader-elect=false',
        '--bind-address=127.0.0.1',
        `--cert-dir=${join(folder, part)}`,
        ...args,
      ],
      log: join(folder, `${part}.log`),
    })
  await start('kube-controller-manager', [
    '--use-service-account-credentials',
    `--service-account-private-key-file=${join(folder, 'pki', 'sa.key')}`,
    `--root-ca-file=${join(folder, 'pki', 'ca.crt')}`,
  ])
  await start('kube-scheduler', [])
}
