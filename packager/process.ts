import { spawn } from 'node:child_process'
import { constants } from 'node:fs'
import { access } from 'node:fs/promises'
import { delimiter, join, resolve } from 'node:path'
import { WaybillError } from '../contract/errors.ts'
import { LIMITS } from '../contract/limits.ts'

/** A set of environment variables: an entry point's own, or what a child is given. */
export type Env = Readonly<Record<string, string | undefined>>

export type ProcessRequest = {
  /** A path, or a name that `env.PATH` finds. */
  readonly command: string
  readonly args: readonly string[]
  /** All that the child sees: nothing is inherited. */
  readonly env: Env
  readonly cwd?: string
  /** Written to the child's standard input, which is then closed; without it the input is empty. */
  readonly stdin?: Uint8Array | string
  /** Default LIMITS.childMs. */
  readonly timeoutMs?: number
  /** Bytes of stdout and stderr together; default LIMITS.childOutputBytesMax. */
  readonly outputBytesMax?: number
}

export type ProcessResult = { readonly stdout: Uint8Array; readonly stderr: string; readonly code: number }

/** Time between asking a child to end and killing it. */
const GRACE_MS = 2000

/**
 * Runs a child process to its end, bounded in time and output, without a shell. Any exit status is a result; a child that a
 * signal ended counts as 128.
 * @throws WaybillError TOOL_MISSING when there is no such program, TIMED_OUT, LIMIT_EXCEEDED when it prints too much, TOOL_FAILED
 * when it cannot be started
 */
export async function runProcess(request: ProcessRequest): Promise<ProcessResult> {
  const { command, args, env, cwd, stdin } = request
  const timeoutMs = request.timeoutMs ?? LIMITS.childMs
  const outputBytesMax = request.outputBytesMax ?? LIMITS.childOutputBytesMax
  const child = spawn(command, [...args], { env: { ...env }, stdio: 'pipe', ...(cwd === undefined ? {} : { cwd }) })
  const stdout: Buffer[] = []
  const stderr: Buffer[] = []
  let bytes = 0
  let stopped: WaybillError | undefined
  let killing: NodeJS.Timeout | undefined
  const stop = (error: WaybillError) => {
    stopped ??= error
    child.kill('SIGTERM')
    killing ??= setTimeout(() => child.kill('SIGKILL'), GRACE_MS)
  }
  const keep = (into: Buffer[]) => (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes <= outputBytesMax) into.push(chunk)
    else stop(new WaybillError('LIMIT_EXCEEDED', `${command}: printed more than ${outputBytesMax} bytes`))
  }
  child.stdout.on('data', keep(stdout))
  child.stderr.on('data', keep(stderr))
  // A child that ends before it has read everything closes the pipe; its exit status says why.
  child.stdin.on('error', () => {})
  child.stdin.end(stdin)
  const timer = setTimeout(
    () => stop(new WaybillError('TIMED_OUT', `${command}: did not end within ${timeoutMs} ms`)),
    timeoutMs,
  )
  try {
    const code = await new Promise<number>((resolve, reject) => {
      child.once('error', (cause) => reject(startError(command, cause)))
      child.once('close', (status) => resolve(status ?? 128))
    })
    if (stopped !== undefined) throw stopped
    return { stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr).toString('utf8'), code }
  } finally {
    clearTimeout(timer)
    clearTimeout(killing)
  }
}

function startError(command: string, cause: NodeJS.ErrnoException): WaybillError {
  if (cause.code === 'ENOENT')
    return new WaybillError('TOOL_MISSING', `${command}: there is no such program`, { cause })
  return new WaybillError('TOOL_FAILED', `${command}: cannot be started: ${cause.code ?? 'unknown error'}`, { cause })
}

/**
 * The absolute path of a program: a path as it is, a name by `env.PATH`.
 * @throws WaybillError TOOL_MISSING
 */
export async function findProgram(command: string, env: Env): Promise<string> {
  const folders = (env.PATH ?? '').split(delimiter).filter((folder) => folder !== '')
  const paths = command.includes('/') ? [resolve(command)] : folders.map((folder) => resolve(join(folder, command)))
  for (const path of paths) if (await isExecutable(path)) return path
  throw new WaybillError('TOOL_MISSING', `${command}: there is no such program`)
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/**
 * A child's environment in which nothing of the user's settings leaks into what it prints: C locale, UTC, a home folder of
 * its own, and of the parent's variables the PATH, plus those that `keep` names.
 */
export function cleanEnvironment(parent: Env, home: string, keep: readonly string[] = []): Env {
  const kept = Object.fromEntries(keep.flatMap((name) => (parent[name] === undefined ? [] : [[name, parent[name]]])))
  return {
    ...kept,
    PATH: parent.PATH ?? '/usr/local/bin:/usr/bin:/bin',
    HOME: home,
    XDG_CONFIG_HOME: home,
    LC_ALL: 'C',
    TZ: 'UTC',
  }
}
