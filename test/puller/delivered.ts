import { randomBytes } from 'node:crypto'
import { isKubeObject, type KubeObject } from '../../contract/artifact/objects.ts'
import { parseDigest } from '../../contract/digest.ts'
import { type Applied, applyPlan } from '../../puller/apply/apply.ts'
import type { Cluster } from '../../puller/cluster/cluster-port.ts'
import { API_VERSION } from '../../puller/kinds.ts'
import { gather } from '../../puller/plan/gather.ts'
import { type Inventory, readInventory } from '../../puller/plan/inventory.ts'
import { type Plan, planChanges } from '../../puller/plan/plan.ts'
import type { PlanContext } from '../../puller/plan/plan-context.ts'
import { type ControlPlane, field } from '../real/control-plane.ts'
import { addTenant } from './installed.ts'

export const DIGEST_1 = parseDigest(`sha256:${'1'.repeat(64)}`)
export const DIGEST_2 = parseDigest(`sha256:${'2'.repeat(64)}`)
const CLAIM_KEY = Buffer.alloc(32, 7)

/** A Delivery in a tenant's namespace, and the stages that this room builds, run for it. */
export type Delivered = {
  readonly namespace: string
  readonly context: PlanContext
  readonly plan: (objects: readonly unknown[], change?: Partial<PlanContext>) => Promise<Plan>
  /** Plans and, unless something is refused, applies. */
  readonly run: (
    objects: readonly unknown[],
    change?: Partial<PlanContext>,
  ) => Promise<{ plan: Plan; applied: Applied | undefined }>
  readonly inventory: () => Promise<Inventory>
  /** Lets the Delivery's account do more, in the whole cluster. */
  readonly grant: (rules: readonly unknown[]) => Promise<void>
}

export async function deliver(
  plane: ControlPlane,
  puller: Cluster,
  { namespace, name = 'shop' }: { readonly namespace?: string; readonly name?: string } = {},
): Promise<Delivered> {
  const tenant = namespace ?? (await addTenant(plane, `tenant-${randomBytes(4).toString('hex')}`))
  const made = await plane.api('POST', `/apis/${API_VERSION}/namespaces/${tenant}/deliveries`, {
    body: {
      apiVersion: API_VERSION,
      kind: 'Delivery',
      metadata: { name, namespace: tenant },
      spec: { source: { repository: 'registry.example.com/acme/shop', channel: 'production' } },
    },
  })
  const uid = field(made.body, 'metadata', 'uid')
  if (typeof uid !== 'string') throw new Error(`no Delivery: ${JSON.stringify(made.body)}`)
  const context: PlanContext = {
    delivery: { name, namespace: tenant, uid },
    account: { namespace: tenant, serviceAccount: 'waybill' },
    digest: DIGEST_1,
    adopt: 'never',
    prune: { enabled: true, maxPercent: 100 },
    confirmed: undefined,
    environment: 'production',
    claimKey: CLAIM_KEY,
  }
  const inventory = () => readInventory(puller, context.delivery)
  const look = async (objects: readonly unknown[], change: Partial<PlanContext> = {}) => {
    const changed = { ...context, ...change }
    const stored = await inventory()
    return { changed, stored, plan: planChanges(changed, await gather(changed, kube(objects), stored, puller), stored) }
  }
  return {
    namespace: tenant,
    context,
    inventory,
    plan: async (objects, change) => (await look(objects, change)).plan,
    run: async (objects, change) => {
      const { changed, stored, plan } = await look(objects, change)
      const applied = plan.refusals.length > 0 ? undefined : await applyPlan(changed, plan, stored, puller)
      return { plan, applied }
    },
    grant: async (rules) => {
      const grantName = `grant-${tenant}-${randomBytes(3).toString('hex')}`
      const rbac = '/apis/rbac.authorization.k8s.io/v1'
      await plane.api('POST', `${rbac}/clusterroles`, { body: { metadata: { name: grantName }, rules } })
      await plane.api('POST', `${rbac}/clusterrolebindings`, {
        body: {
          metadata: { name: grantName },
          roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: grantName },
          subjects: [{ kind: 'ServiceAccount', namespace: tenant, name: 'waybill' }],
        },
      })
    },
  }
}

function kube(objects: readonly unknown[]): KubeObject[] {
  return objects.map((object) => {
    const value = JSON.parse(JSON.stringify(object))
    if (!isKubeObject(value)) throw new Error(`not an object of Kubernetes: ${JSON.stringify(object)}`)
    return value
  })
}

/** `created ConfigMap ns/a`, sorted. */
export function results(applied: Applied | undefined): readonly string[] {
  return (applied?.outcomes ?? [])
    .map(({ object, result, code }) => [result, object, code ?? ''].join(' ').trim())
    .sort()
}

/** `OBJECT_OWNED ConfigMap ns/a`, sorted. */
export function refusals({ refusals }: Plan): readonly string[] {
  return refusals.map(({ object, code }) => `${code} ${object}`).sort()
}

export const configMap = (name: string, data: Record<string, string> = { a: '1' }, more: object = {}) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, ...more },
  data,
})

export const deployment = (name: string, container: object = {}, spec: object = {}) => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name },
  spec: {
    replicas: 2,
    selector: { matchLabels: { app: name } },
    ...spec,
    template: {
      metadata: { labels: { app: name } },
      spec: { containers: [{ name: 'app', image: 'registry.example.com/app:1', ...container }] },
    },
  },
})

export const job = (name: string, image: string) => ({
  apiVersion: 'batch/v1',
  kind: 'Job',
  metadata: { name },
  spec: { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'run', image }] } } },
})
