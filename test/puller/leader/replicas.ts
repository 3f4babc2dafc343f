import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { digestHex, digestOf } from '../../../contract/digest.ts'
import type { Packed } from '../../../packager/pack.ts'
import { leaseName } from '../../../puller/leader/lease.ts'
import type { PullerOptions } from '../../../puller/puller.ts'
import { field } from '../../real/control-plane.ts'
import { type Service, startService } from '../../real/process.ts'
import { PULLER_NAMESPACE } from '../installed.ts'
import type { Tenant, World } from '../world.ts'

/** Short, and long enough for a machine that has a lot to do. */
export const TIMES = { leaseMs: 6_000, renewDeadlineMs: 4_000, retryMs: 500 }

/** One replica of the puller of one tenant: a process with a cache of its own. */
export type ReplicaProcess = Service & {
  readonly name: string
  readonly cacheDir: string
  /** What it logged. */
  said(): string
  /** True when everything of this artifact is in its cache. */
  holds(packed: Packed): boolean
}

export async function startReplica(
  world: World,
  tenant: Tenant,
  name: string,
  options: Partial<PullerOptions> = {},
): Promise<ReplicaProcess> {
  const cacheDir = `${tenant.cacheDir}-${name}`
  const log = join(world.plane.directory, `${tenant.namespace}-${name}.log`)
  const service = await startService({
    command: process.execPath,
    args: [
      join(import.meta.dirname, 'replica-child.ts'),
      JSON.stringify({
        kubeconfig: world.kubeconfig,
        cacheDir,
        onlyNamespaces: [tenant.namespace],
        leaderElection: { host: name, times: TIMES },
        waitTimeoutMs: 20_000,
        ...options,
      }),
    ],
    log,
  })
  return {
    ...service,
    name,
    cacheDir,
    said: () => readFileSync(log, 'utf8'),
    holds: ({ digest, config, layer }) =>
      [digest, digestOf(config), digestOf(layer)].every((one) =>
        existsSync(join(cacheDir, 'blobs/sha256', digestHex(one))),
      ) && existsSync(join(cacheDir, 'bundles/sha256', digestHex(digest))),
  }
}

/** The spec of the Lease of a tenant's replicas. */
export async function leaseOf(world: World, { namespace }: Tenant): Promise<unknown> {
  const leases = `/apis/coordination.k8s.io/v1/namespaces/${PULLER_NAMESPACE}/leases`
  return field((await world.plane.api('GET', `${leases}/${leaseName([namespace])}`)).body, 'spec')
}

/** The name of the replica that leads. */
export async function leaderOf(world: World, tenant: Tenant): Promise<string | undefined> {
  const holder = field(await leaseOf(world, tenant), 'holderIdentity')
  return typeof holder === 'string' ? holder.split('_')[0] : undefined
}
