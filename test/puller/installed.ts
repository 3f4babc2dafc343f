import { type ConnectedCluster, connectCluster } from '../../puller/cluster/cluster.ts'
import { installObjects } from '../../puller/install/install.ts'
import { printYaml } from '../../puller/install/print.ts'
import { tenantObjects } from '../../puller/install/tenant.ts'
import { type ControlPlane, startControlPlane } from '../real/control-plane.ts'

export const PULLER_NAMESPACE = 'waybill-system'

/** A control plane of its own (admission policies are for the whole cluster) onto which `waybill install` was applied. */
export async function startInstalled(options: {
  readonly controllers: boolean
  /** Pods run, or fail: with scheduler and kwok. */
  readonly pods?: boolean
  /** What install printed. Default: what it prints now with --crds-only. */
  readonly install?: string
}): Promise<ControlPlane> {
  const { controllers, pods = false, install = printYaml(installObjects({ crdsOnly: true })) } = options
  const plane = await startControlPlane({ controllers, scheduler: pods, kwok: pods })
  await plane.runKubectl(['apply', '--server-side', '-f', '-'], { input: install })
  await plane.runKubectl(['wait', '--for=condition=Established', '--timeout=30s', 'crd', '--all'])
  return plane
}

/** A new tenant, as `waybill tenant` prints it. */
export async function addTenant(plane: ControlPlane, name: string): Promise<string> {
  await plane.runKubectl(['apply', '--server-side', '-f', '-'], { input: printYaml(tenantObjects({ name })) })
  return name
}

/** The cluster as the puller’s own service account sees it. */
export async function asPuller(plane: ControlPlane): Promise<ConnectedCluster> {
  return connectCluster({ kubeconfig: await plane.serviceAccountKubeconfig(PULLER_NAMESPACE, 'waybill-puller') })
}
