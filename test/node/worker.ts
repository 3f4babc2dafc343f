import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { pathWith } from '../../tools/build.ts'
import { type Service, untilReady } from '../real/process.ts'
import { NODE } from './addresses.ts'
import { socketOf } from './configs.ts'
import { kubeconfigOf, type Place } from './control.ts'
import { find, systemPath } from './packages.ts'

/** Starts the machine's containerd and waits for its socket. */
export async function startContainerd({ folder, namespaces }: Place): Promise<Service> {
  const containerd = await namespaces.start({
    command: find('containerd') ?? 'containerd',
    args: ['--config', join(folder, 'containerd.toml')],
    log: join(folder, 'containerd.log'),
  })
  await untilReady(containerd, 'containerd', 30_000, async () => existsSync(socketOf(folder)))
  return containerd
}

/** Starts kubelet and kube-proxy. */
export async function startWorker({ folder, namespaces, tools }: Place): Promise<void> {
  const env = { PATH: pathWith(tools, systemPath) }
  await namespaces.start({
    command: tools['kube-proxy'],
    args: [`--config=${join(folder, 'proxy.json')}`],
    log: join(folder, 'kube-proxy.log'),
    env,
  })
  await namespaces.start({
    command: tools.kubelet,
    args: [
      `--config=${join(folder, 'kubelet.json')}`,
      `--kubeconfig=${kubeconfigOf(folder, 'kubelet')}`,
      `--hostname-override=${NODE.name}`,
      `--node-ip=${NODE.address}`,
      `--root-dir=${join(folder, 'kubelet')}`,
    ],
    log: join(folder, 'kubelet.log'),
    env,
  })
}
