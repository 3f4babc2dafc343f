import { generateKeyPairSync } from 'node:crypto'
import type { KubeObject } from '../../contract/artifact/objects.ts'
import { type Digest, digestHex, digestOf } from '../../contract/digest.ts'
import { WaybillError } from '../../contract/errors.ts'
import type { RegistryReader } from '../../contract/registry/registry.ts'
import { writeBundle } from '../../contract/trust/bundle.ts'
import { packageUrl, type StatementRole, statement } from '../../contract/trust/statements.ts'
import { parseTrustPolicy, type TrustPolicy } from '../../contract/trust/trust-policy.ts'
import { type Packed, packRelease } from '../../packager/pack.ts'
import { parseSigningKey, type SigningKey } from '../../packager/publish/keys.ts'
import { provenancePredicate } from '../../packager/publish/provenance.ts'

export const SOURCE = 'https://git.example.com/acme/shop'
export const BUILDER = 'https://ci.example.com/builders/main'

export function newSigningKey(): SigningKey {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
  return parseSigningKey(privateKey.export({ format: 'pem', type: 'pkcs8' }).toString())
}

export function configMap(name: string, data: Record<string, string>): KubeObject {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data }
}

/** Never healthy where no controller runs. */
export function deployment(name: string): KubeObject {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name },
    spec: {
      replicas: 1,
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        spec: { containers: [{ name: 'c', image: 'example.com/c:1' }] },
      },
    },
  }
}

/** A release whose one environment, production, holds these objects. `revision`: any word; it names the commit. */
export function release(
  repository: string,
  revision: string,
  objects: readonly KubeObject[],
  options: { readonly name?: string; readonly environments?: Record<string, readonly KubeObject[]> } = {},
): Packed {
  return packRelease({
    package: { name: options.name ?? 'shop', repository },
    source: {
      repository: SOURCE,
      revision: `sha1:${digestHex(digestOf(revision)).slice(0, 40)}`,
      committedAt: '2026-11-21T10:00:00Z',
    },
    kubernetes: { version: '1.36' },
    environments: options.environments ?? { production: objects },
  })
}

/** A statement over any digest, in a bundle. */
export function attested(key: SigningKey, digest: Digest, role: StatementRole, predicate: Record<string, unknown>) {
  return writeBundle(statement(digest, role, predicate), key)
}

export type Statements = {
  readonly version?: string
  readonly promotion?: { readonly channel: string; readonly sequence: number; readonly reason?: string }
  readonly provenance?: { readonly builderId?: string; readonly ref?: string; readonly repository?: string }
}

/** What an honest publisher attaches: signature, provenance, and as asked a release and a promotion. */
export function bundlesFor(packed: Packed, key: SigningKey, said: Statements = {}): Uint8Array[] {
  const { digest, release: config } = packed
  const { repository } = config.package
  const source = { ...config.source, repository: said.provenance?.repository ?? config.source.repository }
  const provenance = provenancePredicate(
    { ...config, source },
    { builderId: said.provenance?.builderId ?? BUILDER, ref: said.provenance?.ref ?? 'refs/heads/main' },
  )
  const bundles = [attested(key, digest, 'signature', {}), attested(key, digest, 'provenance', provenance)]
  if (said.version !== undefined)
    bundles.push(attested(key, digest, 'release', { purl: packageUrl(repository, digest), releaseId: said.version }))
  if (said.promotion !== undefined) bundles.push(promotionBundle(packed, key, said.promotion))
  return bundles
}

export function promotionBundle(
  packed: Packed,
  key: SigningKey,
  { channel, sequence, reason }: NonNullable<Statements['promotion']>,
): Uint8Array {
  return attested(key, packed.digest, 'promotion', {
    package: packageUrl(packed.release.package.repository),
    channel,
    sequence,
    promotedAt: '2026-11-21T10:00:00Z',
    ...(reason === undefined ? {} : { reason }),
  })
}

export type PolicyOptions = {
  readonly name?: string
  readonly repositories?: readonly string[]
  readonly mirrors?: readonly string[]
  readonly state?: 'active' | 'retired' | 'revoked'
  readonly require?: Record<string, unknown>
}

/** spec of a TrustPolicy under which one key must say everything, over any repository of `registry`. */
export function policySpec(registry: string, key: SigningKey, options: PolicyOptions = {}) {
  const by = { by: ['ci'] }
  return {
    repositories: options.repositories ?? [`${registry}/**`],
    ...(options.mirrors === undefined ? {} : { mirrors: options.mirrors }),
    authorities: [{ name: 'ci', key: { pem: key.publicKeyPem }, state: options.state ?? 'active' }],
    require: options.require ?? {
      signature: by,
      provenance: { ...by, builderId: BUILDER, sourceRepository: SOURCE, sourceRefs: ['refs/heads/main'] },
      promotion: by,
      release: by,
    },
  }
}

export function policy(registry: string, key: SigningKey, options: PolicyOptions = {}): TrustPolicy {
  return parseTrustPolicy(options.name ?? 'all', policySpec(registry, key, options), 1)
}

/** A registry as a port: what was put, what was asked. `down` answers nothing at all. */
export class MemoryRegistry implements RegistryReader {
  readonly tags = new Map<string, Digest>()
  readonly content = new Map<Digest, Uint8Array>()
  readonly bundles = new Map<Digest, Uint8Array[]>()
  readonly asked: string[] = []
  down = false

  put(packed: Packed, bundles: readonly Uint8Array[], tag?: string): void {
    this.content.set(packed.digest, packed.manifest)
    this.content.set(digestOf(packed.config), packed.config)
    this.content.set(digestOf(packed.layer), packed.layer)
    this.bundles.set(packed.digest, [...(this.bundles.get(packed.digest) ?? []), ...bundles])
    if (tag !== undefined) this.tags.set(tag, packed.digest)
  }
  async resolveTag(_repository: unknown, tag: string): Promise<Digest> {
    this.#ask(`HEAD ${tag}`)
    const digest = this.tags.get(tag)
    if (digest === undefined) throw new WaybillError('REGISTRY_NOT_FOUND', `no tag ${tag}`)
    return digest
  }
  async fetchManifest(_repository: unknown, digest: Digest): Promise<Uint8Array> {
    return this.#get('manifest', digest)
  }
  async fetchBundles(_repository: unknown, digest: Digest): Promise<readonly Uint8Array[]> {
    this.#ask(`bundles ${digest}`)
    return this.bundles.get(digest) ?? []
  }
  async fetchBlob(_repository: unknown, descriptor: { digest: string }): Promise<Uint8Array> {
    for (const digest of this.content.keys()) if (digest === descriptor.digest) return this.#get('blob', digest)
    throw new WaybillError('REGISTRY_NOT_FOUND', descriptor.digest)
  }
  #ask(line: string): void {
    this.asked.push(line)
    if (this.down) throw new WaybillError('REGISTRY_UNREACHABLE', 'no answer')
  }
  #get(what: string, digest: Digest): Uint8Array {
    this.#ask(`${what} ${digest}`)
    const bytes = this.content.get(digest)
    if (bytes === undefined) throw new WaybillError('REGISTRY_NOT_FOUND', digest)
    return bytes
  }
}
