import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { request } from 'undici'
import { ensureTools } from '../../tools/build.ts'
import { type Progress, progressOn } from '../../tools/progress.ts'
import { freePort } from './ports.ts'
import { type Service, type ServiceCommand, scratchDirectory, startService, untilReady } from './process.ts'

/** `distribution`: distribution 3, which has no referrers API. `referrers`: go-containerregistry's, which has it. */
export type RegistryKind = 'distribution' | 'referrers'

/** Both kinds, for tests that run the same on each. */
export const REGISTRY_KINDS: readonly RegistryKind[] = ['distribution', 'referrers']

/** `dir` is an existing folder for the content; default: a new one, removed at the end. */
export type RegistryOptions = {
  readonly kind: RegistryKind
  /** When given, every request must carry this login (Basic). */
  readonly auth?: { readonly user: string; readonly password: string }
  readonly dir?: string
  /** Of distribution: tells this address of what is pushed, with this header. */
  readonly notify?: { readonly url: string; readonly authorization: string }
  readonly progress?: Progress
}

/** A real registry on plain HTTP that this process started, and that ends with it at the latest. */
export type Registry = {
  readonly kind: RegistryKind
  /** `127.0.0.1:PORT`, to be put before a repository's path. */
  readonly host: string
  readonly log: string
  readonly stop: () => Promise<void>
  /** Starts it again on the same port with the same content. Does nothing while it runs. */
  readonly start: () => Promise<void>
}

/** Starts a real registry on a free port of 127.0.0.1, and waits until it answers. */
export async function startRegistry(options: RegistryOptions): Promise<Registry> {
  const { kind, auth, notify, progress = progressOn(process.stderr) } = options
  const tools = await ensureTools(['registry', 'referrers'], { progress })
  const directory = options.dir ?? scratchDirectory('registry')
  const host = `127.0.0.1:${await freePort()}`
  const logs = options.dir === undefined ? directory : scratchDirectory('registry')
  const log = join(logs, 'registry.log')
  const command =
    kind === 'distribution'
      ? distribution(tools.registry, {
          directory,
          host,
          log,
          htpasswd: auth && htpasswd(tools.referrers, auth),
          logs,
          notify,
        })
      : referrers(tools.referrers, { directory, host, log, auth })
  const begin = async () => {
    const service = await startService(command)
    await untilReady(service, `${kind} registry`, 20_000, async () => [200, 401].includes(await ping(host)))
    return service
  }
  let service: Service | undefined = await begin()
  const stop = async () => {
    await service?.kill()
    service = undefined
  }
  const start = async () => {
    service ??= await begin()
  }
  return { kind, host, log, stop, start }
}

async function ping(host: string): Promise<number> {
  const answer = await request(`http://${host}/v2/`, { reset: true })
  await answer.body.dump()
  return answer.statusCode
}

type Common = { readonly directory: string; readonly host: string; readonly log: string }

function distribution(
  command: string,
  {
    directory,
    host,
    log,
    htpasswd,
    logs,
    notify,
  }: Common & {
    readonly htpasswd: string | undefined
    readonly logs: string
    readonly notify: RegistryOptions['notify']
  },
): ServiceCommand {
  const passwords = join(logs, 'htpasswd')
  if (htpasswd !== undefined) writeFileSync(passwords, htpasswd, { mode: 0o600 })
  const config = {
    version: '0.1',
    log: { level: 'warn', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: directory }, delete: { enabled: true } },
    http: { addr: host, secret: randomBytes(16).toString('hex') },
    ...(htpasswd === undefined ? {} : { auth: { htpasswd: { realm: 'test', path: passwords } } }),
    ...(notify === undefined ? {} : { notifications: { endpoints: [endpointOf(notify)] } }),
  }
  const file = join(logs, 'registry.yml')
  writeFileSync(file, JSON.stringify(config))
  return { command, args: ['serve', file], log, env: { ...process.env, OTEL_TRACES_EXPORTER: 'none' } }
}

function endpointOf({ url, authorization }: NonNullable<RegistryOptions['notify']>) {
  return {
    name: 'test',
    url,
    headers: { Authorization: [authorization] },
    timeout: '5s',
    threshold: 3,
    backoff: '100ms',
  }
}

function referrers(
  command: string,
  { directory, host, log, auth }: Common & { readonly auth: RegistryOptions['auth'] },
): ServiceCommand {
  const content = join(directory, 'content')
  mkdirSync(content, { recursive: true })
  const login = auth && { REFERRERS_USER: auth.user, REFERRERS_PASSWORD: auth.password }
  return { command, args: ['-address', host, '-dir', content], log, env: { ...process.env, ...login } }
}

function htpasswd(tool: string, auth: { readonly user: string; readonly password: string }): string {
  return execFileSync(tool, ['-htpasswd', auth.user], { input: auth.password, encoding: 'utf8' })
}
