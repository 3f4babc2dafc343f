import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { KubeObject } from '../../../contract/artifact/objects.ts'
import type { SigningKey } from '../../../packager/publish/keys.ts'
import { inParallel } from '../../../puller/cluster/in-parallel.ts'
import { rbacObjects } from '../../../puller/install/rbac.ts'
import { parseSharedKind } from '../../../puller/install/shared-kinds.ts'
import { tenantObjects } from '../../../puller/install/tenant.ts'
import { type FakeRegistry, startFakeRegistry } from '../../fakes/registry.ts'
import { PULLER_NAMESPACE, startInstalled } from '../../puller/installed.ts'
import { bundlesFor, newSigningKey, policySpec, release } from '../../puller/release-fixture.ts'
import { type ControlPlane, field } from '../../real/control-plane.ts'
import { type Asked, type AuditTrail, openAuditTrail } from './audit-trail.ts'
import { compile, type PullerProcess, startPuller } from './puller-process.ts'

const GROUP = '/apis/waybill.dev/v1alpha1'
export const PULLER_USER = `system:serviceaccount:${PULLER_NAMESPACE}:waybill-puller`

/** A control plane with controllers, a registry, one policy for it, and whoever pulls. */
export type Stand = {
  readonly plane: ControlPlane
  readonly registry: FakeRegistry
  readonly trail: AuditTrail
  /** Of the puller's own account. */
  readonly token: string
  /** Makes tenants, many at a time. */
  addTenants(names: readonly string[]): Promise<void>
  /** Publishes a release for a tenant's own repository, and promotes it. */
  publish(tenant: string, objects: readonly KubeObject[]): void
  /** Creates the Delivery `app` of each tenant; the uids, in the order of the names. */
  deliver(tenants: readonly string[], spec?: Record<string, unknown>): Promise<readonly string[]>
  /** A puller for these tenants only, or for all; with `recorder`, a kubeconfig, one that looks once through it; `shared`: kinds that it watches everywhere. */
  startPuller(options?: {
    readonly recorder?: string
    readonly only?: readonly string[]
    readonly shared?: readonly string[]
  }): PullerProcess
  /** Gives the puller the right to watch these kinds everywhere (`--shared-watch`). */
  share(kinds: readonly string[]): Promise<void>
  /** What a tenant's Delivery says of itself. */
  ready(tenant: string): Promise<{ readonly status: unknown; readonly reason: unknown; readonly digest: unknown }>
  stop(): Promise<void>
}

const AT_ONCE = 32

export async function openStand(): Promise<Stand> {
  const compiled = compile()
  const plane = await startInstalled({ controllers: true })
  const registry = await startFakeRegistry()
  const trail = await openAuditTrail(plane)
  const key: SigningKey = newSigningKey()
  const token = await plane.serviceAccountToken(PULLER_NAMESPACE, 'waybill-puller')
  const scratch = mkdtempSync(join(tmpdir(), 'waybill-bench-cluster-'))
  const { hostname, port } = new URL(plane.server)
  const mount = join(scratch, 'serviceaccount')
  mkdirSync(mount)
  writeFileSync(join(mount, 'token'), token)
  writeFileSync(join(mount, 'namespace'), PULLER_NAMESPACE)
  copyFileSync(plane.caFile, join(mount, 'ca.crt'))
  const sequences = new Map<string, number>()
  const pullers: PullerProcess[] = []
  const repositoryOf = (tenant: string) => `${registry.host}/${tenant}/shop`
  const create = async (path: string, body: unknown): Promise<unknown> => {
    const answer = await plane.api('POST', path, { body })
    if (answer.status >= 300) throw new Error(`POST ${path}: ${answer.status} ${JSON.stringify(answer.body)}`)
    return answer.body
  }
  const meta = (name: string) => ({ apiVersion: 'waybill.dev/v1alpha1', metadata: { name } })
  await create(`${GROUP}/trustpolicies`, { ...meta('all'), kind: 'TrustPolicy', spec: policySpec(registry.host, key) })
  return {
    plane,
    registry,
    trail,
    token,
    addTenants: async (names) => {
      await inParallel(names, AT_ONCE, async (name) => {
        for (const object of tenantObjects({ name })) await create(collectionOf(object), object)
      })
    },
    publish: (tenant, objects) => {
      const sequence = (sequences.get(tenant) ?? 0) + 1
      sequences.set(tenant, sequence)
      const packed = release(repositoryOf(tenant), `${tenant} ${sequence}`, objects)
      const path = `${tenant}/shop`
      registry.putBlob(path, packed.config)
      registry.putBlob(path, packed.layer)
      registry.putManifest(path, packed.manifest)
      for (const bundle of bundlesFor(packed, key, { promotion: { channel: 'production', sequence } }))
        registry.attachBundle(path, packed.digest, bundle)
      registry.tag(path, packed.digest, 'production')
    },
    deliver: (tenants, spec = {}) =>
      inParallel(tenants, AT_ONCE, async (tenant) => {
        const source = { repository: repositoryOf(tenant), channel: 'production' }
        const body = { ...meta('app'), kind: 'Delivery', spec: { source, ...spec } }
        return String(field(await create(`${GROUP}/namespaces/${tenant}/deliveries`, body), 'metadata', 'uid'))
      }),
    startPuller: (options = {}) => {
      const only = (options.only ?? []).flatMap((tenant) => ['--only-namespace', tenant])
      const puller = startPuller({
        package: compiled,
        cacheDir: mkdtempSync(join(scratch, 'cache-')),
        ...(options.recorder === undefined
          ? {
              args: [
                ...['--service-account-dir', mount, ...only],
                ...(options.shared ?? []).flatMap((kind) => ['--shared-watch', kind]),
              ],
              env: { KUBERNETES_SERVICE_HOST: hostname, KUBERNETES_SERVICE_PORT: port },
            }
          : { args: ['--kubeconfig', options.recorder, '--once', ...only], env: {} }),
      })
      pullers.push(puller)
      return puller
    },
    share: async (kinds) => {
      const rights = { namespace: PULLER_NAMESPACE, identity: PULLER_USER }
      const without = new Set(rbacObjects(rights).map(({ metadata }) => metadata.name))
      for (const object of rbacObjects({ ...rights, shared: kinds.map(parseSharedKind) }))
        if (!without.has(object.metadata.name)) await create(collectionOf(object), object)
    },
    ready: async (tenant) => {
      const { body } = await plane.api('GET', `${GROUP}/namespaces/${tenant}/deliveries/app`)
      const conditions = field(body, 'status', 'conditions')
      const found = (Array.isArray(conditions) ? conditions : []).find((one) => field(one, 'type') === 'Ready')
      const digest = field(body, 'status', 'applied', 'digest')
      return { status: field(found, 'status'), reason: field(found, 'reason'), digest }
    },
    stop: async () => {
      await Promise.all(pullers.map((puller) => (puller.ended() === undefined ? puller.stop() : undefined)))
      await trail.close()
      await registry.close()
      await plane.stop()
      rmSync(scratch, { recursive: true, force: true })
    },
  }
}

/** Everything that pullers asked, but what is open for as long as they run: watches, and the Lease. */
export function byPuller(asked: readonly Asked[]): readonly Asked[] {
  return asked.filter(({ user, verb, resource }) => user === PULLER_USER && verb !== 'watch' && resource !== 'leases')
}

/** A write to an object that a Delivery delivers. */
export function isObjectWrite({ verb, as, isDryRun, resource }: Asked): boolean {
  return as !== undefined && !isDryRun && /^(?:create|patch|update|delete)$/.test(verb) && !resource.startsWith('self')
}

function collectionOf({ apiVersion, kind, metadata }: KubeObject): string {
  const root = apiVersion === 'v1' ? '/api/v1' : `/apis/${apiVersion}`
  const plural = `${kind.toLowerCase()}s`
  return metadata.namespace === undefined ? `${root}/${plural}` : `${root}/namespaces/${metadata.namespace}/${plural}`
}
