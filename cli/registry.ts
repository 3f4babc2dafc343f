import { X509Certificate } from 'node:crypto'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { WaybillError } from '../contract/errors.ts'
import { loginCredentials } from '../contract/registry/login.ts'
import type { RegistryReader, TagLister } from '../contract/registry/registry.ts'
import { createRegistryReader } from '../contract/registry/registry-client.ts'
import type { RegistrySession } from '../contract/registry/session.ts'
import { wait } from '../packager/clock.ts'
import { openLayout } from '../packager/layout-store.ts'
import { createOras } from '../packager/publish/oras.ts'
import { patient } from '../packager/publish/patience.ts'
import type { RegistryWriter } from '../packager/publish/registry-writer.ts'
import { createUploader } from '../packager/publish/upload.ts'
import { readText } from './disk.ts'
import { type Flags, pathFrom } from './flags.ts'
import type { Context } from './verb.ts'

/** A connection, closed at the end of its scope (`await using`). */
export type OpenReader = AsyncDisposable & {
  readonly reader: RegistryReader & TagLister
  readonly session: RegistrySession
}

/** A connection to read from, as the flags and the environment say; `plainHttp` goes before --plain-http. */
export async function openReader(
  flags: Flags,
  { env, cwd, step }: Context,
  plainHttp = flags.on('plainHttp'),
): Promise<OpenReader> {
  const caFile = flags.text('caFile')
  const registryConfig = flags.text('registryConfig')
  // Said at once, not when the registry turns out to want a login.
  if (registryConfig !== undefined) await readText(cwd, registryConfig)
  const connection = createRegistryReader({
    plainHttp,
    remember: true,
    ...(caFile === undefined ? {} : { ca: await readCertificates(cwd, caFile) }),
    credentials: loginCredentials({
      dockerConfigDir: env.DOCKER_CONFIG ?? join(env.HOME ?? homedir(), '.docker'),
      ...(registryConfig === undefined ? {} : { registryConfig: pathFrom(cwd, registryConfig) }),
      env,
    }),
    proxy: proxyOf(env),
  })
  const reader = patient(connection, { wait, onStep: step })
  return { reader, session: connection.session, [Symbol.asyncDispose]: () => connection.close() }
}

/** Writes over the connections that are read from; through oras what is not a blob. */
export function openWriter(session: RegistrySession, flags: Flags, context: Context): RegistryWriter {
  return createUploader({ session, oras: createOras(orasOptions(flags, context)), wait, onStep: context.step })
}

/** Certificates in PEM. @throws WaybillError FILE_UNREADABLE where there is none, or one that cannot be read */
export async function readCertificates(cwd: string, path: string): Promise<string> {
  const text = await readText(cwd, path)
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? []
  const unreadable = (what: string, cause?: unknown) =>
    new WaybillError('FILE_UNREADABLE', `${path}: ${what}`, {
      hint: 'Name a file of certificates in PEM: -----BEGIN CERTIFICATE-----.',
      cause,
    })
  if (blocks.length === 0) throw unreadable('it holds no certificate')
  try {
    for (const block of blocks) new X509Certificate(block)
  } catch (cause) {
    throw unreadable('it holds a certificate that cannot be read', cause)
  }
  return text
}

/** Options of `createOras` that come from the flags and the environment. */
export function orasOptions(flags: Flags, { env, cwd }: Context) {
  const caFile = flags.text('caFile')
  const registryConfig = flags.text('registryConfig')
  return {
    env,
    plainHttp: flags.on('plainHttp'),
    ...(env.WAYBILL_ORAS === undefined ? {} : { program: env.WAYBILL_ORAS }),
    ...(caFile === undefined ? {} : { caFile: pathFrom(cwd, caFile) }),
    ...(registryConfig === undefined ? {} : { registryConfig: pathFrom(cwd, registryConfig) }),
  }
}

/**
 * As Go reads them, and so oras: lower case first, a proxy without a scheme is one of HTTP, and this machine is never asked through a proxy.
 * @throws WaybillError USAGE, without the value: it may hold a password
 */
export function proxyOf(env: Context['env']) {
  const http = proxyAt('HTTP_PROXY', env.http_proxy || env.HTTP_PROXY)
  const https = proxyAt('HTTPS_PROXY', env.https_proxy || env.HTTPS_PROXY)
  const no = [env.no_proxy || env.NO_PROXY, 'localhost,127.0.0.0/8,::1'].filter(Boolean).join(',')
  return { ...(http === undefined ? {} : { http }), ...(https === undefined ? {} : { https }), no }
}

function proxyAt(name: string, value: string | undefined): string | undefined {
  if (!value) return undefined
  const url = /^[a-z0-9+.-]+:\/\//i.test(value) ? value : `http://${value}`
  if (URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)) return url
  throw new WaybillError('USAGE', `${name} is not the address of an HTTP proxy`)
}

/** What is read from, and written to by name: a registry, or the folder of a layout. */
export type Store = { readonly reader: RegistryReader; readonly writer: RegistryWriter }

/** The registry that --plain-http and its like describe; or, by its folder, a layout that needs no oras. */
export async function openStores(
  flags: Flags,
  context: Context,
): Promise<AsyncDisposable & { readonly at: (folder: string | undefined) => Store }> {
  const { reader, session, ...opened } = await openReader(flags, context)
  const registry: Store = { reader, writer: openWriter(session, flags, context) }
  const layout = (folder: string): Store => {
    const store = openLayout(pathFrom(context.cwd, folder))
    return { reader: store, writer: store }
  }
  return { ...opened, at: (folder) => (folder === undefined ? registry : layout(folder)) }
}
