import { parseDigest } from '../../contract/digest.ts'
import type { Resource } from '../../puller/cluster/cluster-port.ts'
import { type DesiredObject, prepare } from '../../puller/plan/desired.ts'
import type { PlanContext } from '../../puller/plan/plan-context.ts'

export const account = { namespace: 'shop', serviceAccount: 'waybill' }

/** Of Delivery `app` in namespace `shop`, as it is where nothing is asked for. */
export const context: PlanContext = {
  delivery: { name: 'app', namespace: 'shop', uid: 'd' },
  account,
  digest: parseDigest(`sha256:${'1'.repeat(64)}`),
  adopt: 'never',
  prune: { enabled: true, maxPercent: 30 },
  confirmed: undefined,
  environment: 'production',
  claimKey: Buffer.alloc(32, 7),
}

const deployments: Resource = {
  group: 'apps',
  version: 'v1',
  kind: 'Deployment',
  plural: 'deployments',
  namespaced: true,
}

export function desiredDeployments(...names: readonly string[]): readonly DesiredObject[] {
  return prepare(
    names.map((name) => ({ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name } })),
    context,
    new Map([['apps/v1 Deployment', deployments]]),
  )
}
