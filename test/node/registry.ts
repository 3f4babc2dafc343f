import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Tools } from '../../tools/build.ts'
import { type Service, untilReady } from '../real/process.ts'
import { NODE, REGISTRY } from './addresses.ts'
import type { Namespaces } from './namespaces.ts'
import { issue, makeAuthority } from './pki.ts'

/** A registry's folder: its content, its certificate and its authority's. It may outlive a cluster. */
export type RegistryFolder = { readonly folder: string; readonly caFile: string }

/** Makes what is missing in a registry's folder: on the same folder, later registries are trusted by the same certificate. */
export function prepareRegistry(folder: string): RegistryFolder {
  const pki = join(folder, 'pki')
  mkdirSync(join(folder, 'content'), { recursive: true })
  const caFile = makeAuthority(pki, '/CN=waybill test registry')
  if (!existsSync(join(pki, 'registry.crt'))) {
    issue(pki, { file: 'registry', subject: '/CN=registry', names: [`IP:${NODE.controlAddress}`] })
  }
  return { folder, caFile }
}

/** Starts distribution with TLS in a node's network, and waits until it answers there. */
export async function startRegistry(
  { folder }: RegistryFolder,
  { namespaces, tools, isReady }: { namespaces: Namespaces; tools: Tools<'registry'>; isReady: () => Promise<boolean> },
): Promise<Service> {
  const config = join(folder, 'registry.yml')
  writeFileSync(
    config,
    JSON.stringify({
      version: '0.1',
      log: { level: 'warn', accesslog: { disabled: true } },
      storage: { filesystem: { rootdirectory: join(folder, 'content') }, delete: { enabled: true } },
      http: {
        addr: REGISTRY,
        secret: randomBytes(16).toString('hex'),
        tls: { certificate: join(folder, 'pki', 'registry.crt'), key: join(folder, 'pki', 'registry.key') },
      },
    }),
  )
  const registry = await namespaces.start({
    command: tools.registry,
    args: ['serve', config],
    log: join(folder, 'registry.log'),
    env: { OTEL_TRACES_EXPORTER: 'none' },
  })
  await untilReady(registry, 'registry', 30_000, isReady)
  return registry
}
