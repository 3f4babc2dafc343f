import { type Digest, digestOf } from '../../contract/digest.ts'
import { type ErrorCode, hasCode, WaybillError } from '../../contract/errors.ts'
import { byDigest, type Reference } from '../../contract/reference.ts'
import { type Env, runProcess } from '../process.ts'
import type { RegistryWriter } from './registry-writer.ts'

export type OrasOptions = {
  /** The program: `WAYBILL_ORAS`, else `oras` on the PATH. */
  readonly program?: string
  /** The child's environment: credential helpers and proxies read theirs. Our own key's password is taken out. */
  readonly env?: Env
  readonly plainHttp?: boolean
  readonly caFile?: string
  readonly registryConfig?: string
}

/**
 * Calls oras (≥ 1.3, checked once, before the first call). `args` go before the flags of `options`, which `flags` replaces.
 * @throws WaybillError REGISTRY_* about `target`, TOOL_*
 */
export type RunOras = ((call: OrasCall) => Promise<void>) & {
  /** Checks the program. @throws WaybillError TOOL_* */
  readonly ready: () => Promise<void>
}

export type OrasCall = {
  /** Those that `target` may be about: their names are taken out of what oras says, before it is sorted. */
  readonly repositories: readonly Pick<Reference, 'registry' | 'path'>[]
  readonly target: string
  readonly args: readonly string[]
  readonly flags?: readonly string[]
  readonly stdin?: Uint8Array
  readonly timeoutMs?: number
}

export function openOras(options: OrasOptions): RunOras {
  const program = options.program ?? 'oras'
  const { COSIGN_PASSWORD: _, ...env } = options.env ?? {}
  let checked: Promise<void> | undefined
  const ready = () => {
    checked ??= checkVersion(program, env)
    return checked
  }
  const run = async ({ repositories, target, args, flags = orasFlags(options), stdin, timeoutMs }: OrasCall) => {
    await ready()
    const result = await runProcess({
      command: program,
      args: [...args, ...flags],
      env,
      ...(stdin === undefined ? {} : { stdin }),
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
    })
    if (result.code !== 0) throw orasError(repositories, target, result.stderr)
  }
  return Object.assign(run, { ready })
}

/** As flags of a command that speaks to one registry, or, with `side`, of one that copies. */
export function orasFlags({ plainHttp, caFile, registryConfig }: OrasOptions, side = ''): readonly string[] {
  return [
    ...(plainHttp === true ? [`--${side}plain-http`] : []),
    ...(caFile === undefined ? [] : [`--${side}ca-file`, caFile]),
    ...(registryConfig === undefined ? [] : [`--${side}registry-config`, registryConfig]),
  ]
}

export type Oras = RegistryWriter & Pick<RunOras, 'ready'>

/** Writes to a registry through the `oras` command. */
export function createOras(options: OrasOptions = {}): Oras {
  const call = openOras(options)
  const run = (repository: Reference, target: string, args: readonly string[], stdin?: Uint8Array) =>
    call({ repositories: [repository], target, args, ...(stdin === undefined ? {} : { stdin }) })
  const pushed = new Set<string>()
  return {
    ready: call.ready,
    pushBlob: async (repository, bytes, mediaType) => {
      const { digest, target } = named(repository, bytes)
      // The empty config goes with every statement.
      if (pushed.has(target)) return digest
      const size = String(bytes.length)
      await run(repository, target, ['blob', 'push', '--size', size, '--media-type', mediaType, target, '-'], bytes)
      pushed.add(target)
      return digest
    },
    pushManifest: async (repository, bytes, mediaType) => {
      const { digest, target } = named(repository, bytes)
      await run(repository, target, ['manifest', 'push', '--media-type', mediaType, target, '-'], bytes)
      return digest
    },
    tag: async (repository, digest, tag) => {
      const target = byDigest(repository, digest)
      await run(repository, `${repository.repository}:${tag}`, ['tag', target, tag])
    },
  }
}

function named(repository: Reference, bytes: Uint8Array): { readonly digest: Digest; readonly target: string } {
  const digest = digestOf(bytes)
  return { digest, target: byDigest(repository, digest) }
}

const INSTALL = 'Install oras 1.3 or newer (https://oras.land), or name one with WAYBILL_ORAS.'

async function checkVersion(program: string, env: Env): Promise<void> {
  const { stdout, code } = await runProcess({ command: program, args: ['version'], env }).catch((cause: unknown) => {
    if (!hasCode(cause, 'TOOL_MISSING')) throw cause
    throw new WaybillError('TOOL_MISSING', cause.message, { cause, hint: INSTALL })
  })
  const found = /^Version:\s*v?(\d+)\.(\d+)\.(\S+)/m.exec(Buffer.from(stdout).toString('utf8'))
  const [, major = '0', minor = '0', rest = ''] = found ?? []
  if (code !== 0 || found === null)
    throw new WaybillError('TOOL_FAILED', `${program}: does not say which version it is`, { hint: INSTALL })
  if (Number(major) !== 1 || Number(minor) < 3)
    throw new WaybillError('TOOL_VERSION', `${program} is ${major}.${minor}.${rest}; 1.3 or newer is needed`, {
      hint: INSTALL,
    })
}

/**
 * oras exits 1 for everything; its words alone tell one failure from another. They are sorted here and not passed on:
 * they can quote what a server or a credential helper said.
 */
const meanings: readonly (readonly [RegExp, ErrorCode, string])[] = [
  [/\b(?:401|403)\b|unauthorized|denied|basic credential not found|forbidden/i, 'REGISTRY_AUTH', 'refuses the login'],
  [/\b429\b|toomanyrequests/i, 'REGISTRY_RATE_LIMITED', 'asks to come back later'],
  [/\b404\b|not found|NAME_UNKNOWN/i, 'REGISTRY_NOT_FOUND', 'does not have it'],
  [
    /dial tcp|no such host|connection (?:refused|reset)|timeout|tls:|x509:|server gave HTTP response|\bEOF\b/i,
    'REGISTRY_UNREACHABLE',
    'cannot be reached, or not with these TLS settings',
  ],
  [/\b5\d\d\b/, 'REGISTRY_FAILED', 'answers with an error'],
]

function orasError(repositories: OrasCall['repositories'], target: string, stderr: string): WaybillError {
  // Names may hold what looks like a status.
  const said = repositories
    .flatMap(({ registry, path }) => [registry, path])
    .filter((name) => name !== '')
    .reduce((text, name) => text.replaceAll(name, ''), stderr)
    .replaceAll(/[0-9a-f]{64}/g, '')
  const [, code, why] = meanings.find(([pattern]) => pattern.test(said)) ?? unknownFailure
  return new WaybillError(code, `${target}: the registry ${why}`)
}

const unknownFailure = [/^/, 'REGISTRY_FAILED', 'did not take it'] as const
