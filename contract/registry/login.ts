import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { parseJson } from '../canonical-json.ts'
import { WaybillError } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import {
  type Credential,
  type CredentialSource,
  type DockerConfig,
  helperFor,
  parseDockerConfig,
  storedCredential,
} from './credentials.ts'
import { loginName } from './docker-hub.ts'

/** Where logins may be. */
export type LoginFiles = {
  /** `--registry-config`: when given, the only one. */
  readonly registryConfig?: string
  /** `$DOCKER_CONFIG`, else `~/.docker`. */
  readonly dockerConfigDir?: string
  /** The environment of credential helpers; PATH finds `docker-credential-*`. Our own key's password is taken out. */
  readonly env?: Readonly<Record<string, string | undefined>>
}

/**
 * Logins that `oras login` and `docker login` left (auths, credHelpers, credsStore). The file is read at the first question,
 * and each registry is asked about once.
 */
export function loginCredentials(files: LoginFiles): CredentialSource {
  let config: Promise<DockerConfig> | undefined
  const answers = new Map<string, Promise<Credential | undefined>>()
  const find = async (registry: string) => {
    config ??= readConfig(files)
    const helper = helperFor(await config, registry)
    const helped = helper === undefined ? undefined : await askHelper(helper, loginName(registry), files.env ?? {})
    return helped ?? storedCredential(await config, registry)
  }
  return (registry) => {
    const answer = answers.get(registry) ?? find(registry)
    answers.set(registry, answer)
    return answer
  }
}

async function readConfig({ registryConfig, dockerConfigDir }: LoginFiles): Promise<DockerConfig> {
  const file = registryConfig ?? (dockerConfigDir === undefined ? undefined : join(dockerConfigDir, 'config.json'))
  if (file === undefined) return {}
  try {
    return parseDockerConfig(file, await readFile(file))
  } catch (error) {
    if (error instanceof WaybillError) throw error
    const missing = error instanceof Error && 'code' in error && error.code === 'ENOENT'
    if (missing && registryConfig === undefined) return {}
    throw new WaybillError('FILE_UNREADABLE', `${file}: cannot be read`, { cause: error })
  }
}

const helperAnswerSchema = z.object({ Username: z.string(), Secret: z.string() })
const helperMs = 30_000

/** `docker-credential-<name> get` (docker-credential-helpers protocol). A helper that fails or knows nothing is no login. */
async function askHelper(
  name: string,
  registry: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Credential | undefined> {
  const stdout = await runHelper(`docker-credential-${name}`, registry, env)
  if (stdout === undefined) return undefined
  try {
    const { Username, Secret } = helperAnswerSchema.parse(parseJson('the helper’s answer', stdout))
    if (Secret === '') return undefined
    if (Username === '<token>') return { kind: 'identityToken', token: Secret }
    return { kind: 'basic', username: Username, password: Secret }
  } catch {
    return undefined
  }
}

function runHelper(
  command: string,
  registry: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Uint8Array | undefined> {
  return new Promise((resolve) => {
    const { COSIGN_PASSWORD: _, ...rest } = env
    const signal = AbortSignal.timeout(helperMs)
    const child = spawn(command, ['get'], {
      env: rest,
      stdio: ['pipe', 'pipe', 'ignore'],
      signal,
      killSignal: 'SIGKILL',
    })
    const chunks: Buffer[] = []
    let size = 0
    /** What the helper itself started may keep the pipe open: nobody waits for its end. */
    const giveUp = () => {
      child.kill('SIGKILL')
      child.stdout.destroy()
      resolve(undefined)
    }
    child.stdout.on('data', (chunk: Buffer) => {
      size += chunk.length
      if (size <= LIMITS.registryAnswerBytesMax) chunks.push(chunk)
      else giveUp()
    })
    child.once('error', giveUp)
    child.once('close', (code) => resolve(code === 0 ? Buffer.concat(chunks) : undefined))
    child.stdin.on('error', () => {})
    child.stdin.end(registry)
  })
}
