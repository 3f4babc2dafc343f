import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import type { KubeObject } from '../../contract/artifact/objects.ts'
import type { Packed } from '../../packager/pack.ts'
import type { SigningKey } from '../../packager/publish/keys.ts'
import { type RecordSpec, recordSpecSchema } from '../../puller/kinds.ts'
import { type PullerOptions, type PullerSummary, runPuller } from '../../puller/puller.ts'
import { type FakeRegistry, startFakeRegistry } from '../fakes/registry.ts'
import type { AuditEvent } from '../real/cluster.ts'
import { type ControlPlane, field } from '../real/control-plane.ts'
import { addTenant, PULLER_NAMESPACE, startInstalled } from './installed.ts'
import {
  bundlesFor,
  newSigningKey,
  type PolicyOptions,
  policySpec,
  release,
  type Statements,
} from './release-fixture.ts'

const GROUP = '/apis/waybill.dev/v1alpha1'

/** A real API server with Waybill installed, a registry that can misbehave, and a puller that runs as its own service account. */
export type World = {
  readonly plane: ControlPlane
  readonly registry: FakeRegistry
  readonly key: SigningKey
  /** Of the puller's service account, with the rights that install prints. */
  readonly kubeconfig: string
  /** A new tenant with a TrustPolicy for its repositories (`repositories: <host>/<namespace>/**`), unless `policy` is null. */
  tenant(options?: { readonly policy?: PolicyOptions | null }): Promise<Tenant>
  stop(): Promise<void>
}

export type Tenant = {
  readonly namespace: string
  /** `<registry>/<namespace>/shop` */
  readonly repository: string
  readonly cacheDir: string
  release(revision: string, objects: readonly KubeObject[], options?: Parameters<typeof release>[3]): Packed
  /** Puts an artifact with everything that an honest publisher attaches, and tags it. */
  publish(packed: Packed, said?: Statements & { readonly key?: SigningKey; readonly tag?: string }): void
  /** Only bytes and bundles, as given. */
  put(packed: Packed, bundles: readonly Uint8Array[], tag?: string): void
  /** Creates the Delivery `app`, or replaces its spec. Default source: channel production. */
  deliver(spec?: Record<string, unknown>): Promise<void>
  setPolicy(options: PolicyOptions & { readonly key?: SigningKey }): Promise<void>
  deletePolicy(): Promise<void>
  annotate(annotations: Record<string, string>): Promise<void>
  /** Runs the puller until this tenant's Delivery is settled. */
  run(options?: Partial<PullerOptions>): Promise<PullerSummary['deliveries'][number]>
  delivery(): Promise<unknown>
  condition(type: string): Promise<{ status: unknown; reason: unknown; message: unknown } | undefined>
  /** In order of sequence. */
  records(): Promise<RecordSpec[]>
  /** `Intent Applied`, … */
  kinds(): Promise<string>
  get(path: string): Promise<{ status: number; body: unknown }>
}

export async function startWorld(
  options: { readonly controllers?: boolean; readonly pods?: boolean; readonly install?: string } = {},
): Promise<World> {
  const plane = await startInstalled({ controllers: false, ...options })
  const registry = await startFakeRegistry()
  const key = newSigningKey()
  const kubeconfig = await plane.serviceAccountKubeconfig(PULLER_NAMESPACE, 'waybill-puller')
  const root = mkdtempSync(join(tmpdir(), 'waybill-world-'))
  let count = 0
  return {
    plane,
    registry,
    key,
    kubeconfig,
    tenant: async ({ policy = {} } = {}) => {
      count += 1
      const namespace = await addTenant(plane, `tenant-${count}`)
      const tenant = tenantOf({ plane, registry, key, kubeconfig }, namespace, join(root, namespace))
      if (policy !== null) await tenant.setPolicy(policy)
      return tenant
    },
    stop: async () => {
      await registry.close()
      await plane.stop()
      rmSync(root, { recursive: true, force: true })
    },
  }
}

type Parts = Pick<World, 'plane' | 'registry' | 'key' | 'kubeconfig'>

function tenantOf({ plane, registry, key, kubeconfig }: Parts, namespace: string, cacheDir: string): Tenant {
  const path = `${namespace}/shop`
  const repository = `${registry.host}/${path}`
  const deliveries = `${GROUP}/namespaces/${namespace}/deliveries`
  const apply = async (at: string, kind: string, name: string, spec: unknown) => {
    const body = { apiVersion: 'waybill.dev/v1alpha1', kind, metadata: { name }, spec }
    const answer = await plane.api('PATCH', `${at}/${name}?fieldManager=person&force=true`, {
      body,
      contentType: 'application/apply-patch+yaml',
    })
    if (answer.status >= 300) throw new Error(`${kind} ${name}: ${JSON.stringify(answer.body)}`)
  }
  const put: Tenant['put'] = (packed, bundles, tag) => {
    registry.putBlob(path, packed.config)
    registry.putBlob(path, packed.layer)
    registry.putManifest(path, packed.manifest, tag === undefined ? {} : { tag })
    for (const bundle of bundles) registry.attachBundle(path, packed.digest, bundle)
  }
  const delivery = async () => (await plane.api('GET', `${deliveries}/app`)).body
  const records: Tenant['records'] = async () => {
    const { body } = await plane.api('GET', `${GROUP}/namespaces/${namespace}/deliveryrecords`)
    const items = field(body, 'items')
    const specs = (Array.isArray(items) ? items : []).map((item) => recordSpecSchema.parse(field(item, 'spec')))
    return specs.sort((a, b) => a.sequence - b.sequence)
  }
  return {
    namespace,
    repository,
    cacheDir,
    release: (revision, objects, options) => release(repository, revision, objects, options),
    publish: (packed, said = {}) => put(packed, bundlesFor(packed, said.key ?? key, said), said.tag ?? 'production'),
    put,
    deliver: (spec = {}) =>
      apply(deliveries, 'Delivery', 'app', { source: { repository, channel: 'production' }, interval: '1h', ...spec }),
    setPolicy: (options) =>
      apply(
        `${GROUP}/trustpolicies`,
        'TrustPolicy',
        namespace,
        policySpec(registry.host, options.key ?? key, {
          repositories: [`${registry.host}/${namespace}/**`],
          ...options,
        }),
      ),
    deletePolicy: async () => void (await plane.api('DELETE', `${GROUP}/trustpolicies/${namespace}`)),
    annotate: async (annotations) => {
      const contentType = 'application/merge-patch+json'
      await plane.api('PATCH', `${deliveries}/app`, { body: { metadata: { annotations } }, contentType })
    },
    run: async (options = {}) => {
      const { deliveries } = await runPuller({
        kubeconfig,
        cacheDir,
        plainHttp: true,
        once: true,
        waitTimeoutMs: 20_000,
        onlyNamespaces: [namespace],
        log: pino({ level: process.env.WAYBILL_TEST_LOG ?? 'silent' }),
        ...options,
      })
      const [one] = deliveries
      if (one === undefined) throw new Error('the puller found no Delivery')
      return one
    },
    delivery,
    condition: async (type) => {
      const conditions = field(await delivery(), 'status', 'conditions')
      const found = (Array.isArray(conditions) ? conditions : []).find((one) => field(one, 'type') === type)
      if (found === undefined) return undefined
      const [status, reason, message] = ['status', 'reason', 'message'].map((name) => field(found, name))
      return { status, reason, message }
    },
    records,
    kinds: async () => (await records()).map(({ kind }) => kind).join(' '),
    get: (at) => plane.api('GET', at),
  }
}

const OWN_RESOURCES = new Set(['selfsubjectreviews', 'selfsubjectaccessreviews', 'selfsubjectrulesreviews', 'events'])

/** Writes that were not dry runs, to what is not Waybill's own. */
export function writesToUsersObjects(events: readonly AuditEvent[], namespace: string): string[] {
  return events
    .filter(({ user }) => user.username === `system:serviceaccount:${PULLER_NAMESPACE}:waybill-puller`)
    .filter(({ verb }) => ['create', 'update', 'patch', 'delete', 'deletecollection'].includes(verb))
    .filter(({ requestURI }) => !requestURI.includes('dryRun=All'))
    .filter(({ objectRef }) => objectRef?.apiGroup !== 'waybill.dev' && !OWN_RESOURCES.has(objectRef?.resource ?? ''))
    .filter(({ objectRef }) => objectRef?.namespace !== PULLER_NAMESPACE)
    .filter(({ objectRef, impersonatedUser }) =>
      [objectRef?.namespace, impersonatedUser?.username].some((text) => text?.includes(namespace) ?? true),
    )
    .map(({ verb, requestURI }) => `${verb} ${requestURI}`)
}

/** Requests about users' objects that the puller made as itself, or as an account of another namespace. There must be none. */
export function notAsAccount(events: readonly AuditEvent[]): string[] {
  return events
    .filter(({ user }) => user.username === `system:serviceaccount:${PULLER_NAMESPACE}:waybill-puller`)
    .filter((event) => !isPullersOwn(event) && !isAsAccount(event))
    .map(({ verb, requestURI }) => `${verb} ${requestURI}`)
}

function isAsAccount({ impersonatedUser, objectRef }: AuditEvent): boolean {
  const [, , namespace] = impersonatedUser?.username.split(':') ?? []
  return namespace !== undefined && (objectRef?.namespace === undefined || objectRef.namespace === namespace)
}

function isPullersOwn({ verb, objectRef }: AuditEvent): boolean {
  if (objectRef?.resource === undefined) return verb === 'get' // discovery, OpenAPI, version
  const { apiGroup = '', resource, namespace } = objectRef
  if (apiGroup === 'waybill.dev' || OWN_RESOURCES.has(resource)) return true
  if (resource === 'serviceaccounts') return verb === 'get'
  if (['events', 'leases'].includes(resource)) return true
  return namespace === PULLER_NAMESPACE && apiGroup === '' && ['secrets', 'configmaps'].includes(resource)
}
