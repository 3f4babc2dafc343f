import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { NODE, REGISTRY } from './addresses.ts'
import { cniFolder } from './packages.ts'

/** What the configurations refer to. */
export type ConfigInput = {
  readonly folder: string
  readonly cgroup: string
  readonly pauseImage: string
  readonly registryCa: string
}

export const socketOf = (folder: string): string => join(folder, 'containerd.sock')

/** Writes what containerd, CNI, kubelet and kube-proxy read: containerd.toml, cni/, certs.d/, kubelet.json and proxy.json. */
export function writeConfigs(input: ConfigInput): void {
  const { folder, registryCa } = input
  const hosts = join(folder, 'certs.d', REGISTRY)
  for (const path of [hosts, join(folder, 'cni')]) mkdirSync(path, { recursive: true })
  writeFileSync(join(hosts, 'hosts.toml'), `[host."https://${REGISTRY}"]\nca = "${registryCa}"\n`)
  writeFileSync(join(folder, 'containerd.toml'), containerdConfig(input))
  // Nobody answers names: a look-up is refused at once, instead of waiting for an answer.
  writeFileSync(join(folder, 'resolv.conf'), 'nameserver 127.0.0.1\n')
  writeJson(join(folder, 'cni', '10-bridge.conflist'), cniConfig(folder))
  writeJson(join(folder, 'kubelet.json'), kubeletConfig(input))
  writeJson(join(folder, 'proxy.json'), proxyConfig(folder))
}

/** For containerd 1.6 and later 1.x; the switches that look odd are told in docs/decisions/0025. */
function containerdConfig({ folder, pauseImage }: ConfigInput): string {
  const cri = 'plugins."io.containerd.grpc.v1.cri"'
  return `version = 2
root = "${folder}/containerd"
state = "${folder}/containerd-state"
disabled_plugins = [${['btrfs', 'zfs', 'devmapper', 'aufs'].map((name) => `"io.containerd.snapshotter.v1.${name}"`).join(', ')}]
[grpc]
  address = "${socketOf(folder)}"
[ttrpc]
  address = "${socketOf(folder)}.ttrpc"
[${cri}]
  sandbox_image = "${pauseImage}"
  restrict_oom_score_adj = true
  disable_apparmor = true
  disable_hugetlb_controller = true
  tolerate_missing_hugetlb_controller = true
[${cri}.cni]
  bin_dir = "${cniFolder}"
  conf_dir = "${folder}/cni"
[${cri}.containerd]
  default_runtime_name = "runc"
[${cri}.containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[${cri}.containerd.runtimes.runc.options]
  SystemdCgroup = false
[${cri}.registry]
  config_path = "${folder}/certs.d"
`
}

function cniConfig(folder: string) {
  const ipam = { type: 'host-local', dataDir: join(folder, 'addresses'), ranges: [[{ subnet: NODE.pods }]] }
  const bridge = { type: 'bridge', bridge: 'cni0', isGateway: true, hairpinMode: true, ipMasq: true }
  const plugins = [
    { ...bridge, ipam: { ...ipam, routes: [{ dst: '0.0.0.0/0' }] } },
    { type: 'portmap', capabilities: { portMappings: true } },
  ]
  return { cniVersion: '0.4.0', name: 'node', plugins }
}

function kubeletConfig({ folder, cgroup }: ConfigInput) {
  const pki = join(folder, 'pki')
  return {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    failCgroupV1: false,
    cgroupDriver: 'cgroupfs',
    cgroupRoot: `/${cgroup}`,
    failSwapOn: false,
    oomScoreAdj: 0,
    containerRuntimeEndpoint: `unix://${socketOf(folder)}`,
    address: NODE.address,
    port: NODE.kubeletPort,
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: join(pki, 'ca.crt') },
    },
    authorization: { mode: 'Webhook' },
    tlsCertFile: join(pki, 'kubelet.crt'),
    tlsPrivateKeyFile: join(pki, 'kubelet.key'),
    resolvConf: join(folder, 'resolv.conf'),
    podLogsDir: join(folder, 'pod-logs'),
    volumePluginDir: join(folder, 'volume-plugins'),
    imageGCHighThresholdPercent: 100,
    evictionHard: {
      'memory.available': '100Mi',
      'nodefs.available': '1%',
      'imagefs.available': '1%',
      'nodefs.inodesFree': '1%',
    },
    nodeStatusUpdateFrequency: '2s',
    syncFrequency: '10s',
    serializeImagePulls: false,
  }
}

function proxyConfig(folder: string) {
  return {
    apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
    kind: 'KubeProxyConfiguration',
    mode: 'iptables',
    clusterCIDR: NODE.pods,
    clientConnection: { kubeconfig: join(folder, 'kube-proxy.kubeconfig') },
    hostnameOverride: NODE.name,
    // A pod reaches a Service whose pod is on the same bridge also where the kernel has no br_netfilter.
    iptables: { masqueradeAll: true, minSyncPeriod: '0s' },
    // The table of connections is the machine's: left alone.
    conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: '0s', tcpCloseWaitTimeout: '0s' },
  }
}

function writeJson(path: string, value: object): void {
  writeFileSync(path, JSON.stringify(value, null, 2))
}
