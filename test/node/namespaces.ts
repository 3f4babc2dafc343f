import { execFile, spawn } from 'node:child_process'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { type Service, type ServiceCommand, startService, untilReady } from '../real/process.ts'
import { find, systemPath } from './packages.ts'

/** Namespaces of a node: network, mounts, processes, IPC and host name. They and all that runs in them end with their pid 1. */
export type Namespaces = {
  /** Pid 1 of them, as this machine counts. */
  readonly pid: number
  /** Starts a service in all of them. It ends with them or with this process at the latest; only SIGKILL reaches it. */
  readonly start: (command: ServiceCommand) => Promise<Service>
  /** Kills everything in them and waits until all of it is gone. */
  readonly end: () => Promise<void>
}

export type NamespacesOptions = {
  readonly folder: string
  readonly hostname: string
  /** Service addresses, such as 10.96.0.0/16, which are routed to the node. */
  readonly services: string
  /** Addresses of the node, each in a /24 of its own. */
  readonly addresses: readonly string[]
}

const dieWithParent = ['--pdeathsig', 'KILL', '--']

/** Makes new namespaces, with mounts that keep what is written under /var, /opt, /etc, /usr/libexec and /run in `folder`. */
export async function makeNamespaces({
  folder,
  hostname,
  services,
  addresses,
}: NamespacesOptions): Promise<Namespaces> {
  const own = ['--net', '--mount', '--pid', '--fork', '--kill-child', '--uts', '--ipc', '--mount-proc']
  const script = join(import.meta.dirname, 'inside.sh')
  const holder = await startService({
    command: found('setpriv'),
    args: [...dieWithParent, found('unshare'), ...own, '/bin/sh', script, folder, hostname, services, ...addresses],
    log: join(folder, 'namespaces.log'),
    env: { PATH: systemPath },
    cwd: '/',
  })
  await untilReady(holder, 'namespaces', 20_000, async () => existsSync(join(folder, 'inside')))
  const pid = Number(readFileSync(`/proc/${holder.pid}/task/${holder.pid}/children`, 'utf8').trim().split(' ')[0])
  return {
    pid,
    start: ({ command, args, env = {}, ...rest }) =>
      startService({
        ...rest,
        command: found('nsenter'),
        args: [...enterAll(pid), found('setpriv'), ...dieWithParent, command, ...args],
        env: { PATH: systemPath, HOME: folder, ...env },
      }),
    end: async () => {
      await killPid1(pid, holder)
      rmSync(join(folder, 'inside'), { force: true })
    },
  }
}

/** unshare waits for pid 1, and pid 1 is gone only when nobody is left in its namespace. */
async function killPid1(pid: number, holder: Service): Promise<void> {
  if (holder.ended() !== undefined) return
  process.kill(pid, 'SIGKILL')
  await untilGone(holder)
}

async function untilGone(service: Service): Promise<void> {
  while (service.ended() === undefined) await new Promise((resolve) => setTimeout(resolve, 20))
}

/** How a command that ran to its end went. `status` is null when a signal ended it. */
export type Ran = { readonly status: number | null; readonly stdout: string; readonly stderr: string }

export type RunOptions = { readonly input?: string; readonly env?: NodeJS.ProcessEnv; readonly cwd?: string }

/** Runs a command in the network namespace of `pid`, with this machine's files. Never rejects over its status. */
export function runInNetwork(
  pid: number,
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Ran> {
  const { input = '', env, cwd } = options
  return new Promise((resolve, reject) => {
    const bounds = { maxBuffer: 256 * 1024 * 1024, env, cwd }
    const child = execFile(
      found('nsenter'),
      [...enterNetwork(pid), command, ...args],
      bounds,
      (error, stdout, stderr) => {
        if (error !== null && typeof error.code === 'string') return reject(error)
        resolve({ status: child.exitCode, stdout, stderr })
      },
    )
    child.stdin?.on('error', () => {})
    child.stdin?.end(input)
  })
}

/** Starts a command in the network namespace of `pid`, with this process's own terminal; resolves with its status. */
export function hand(
  pid: number,
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<number | null> {
  return new Promise((resolve, reject) => {
    const child = spawn(found('nsenter'), [...enterNetwork(pid), command, ...args], { env, stdio: 'inherit' })
    child.once('error', reject).once('exit', resolve)
  })
}

const enterNetwork = (pid: number): readonly string[] => [`--net=/proc/${pid}/ns/net`, '--']

const enterAll = (pid: number): readonly string[] => ['-t', `${pid}`, '-n', '-m', '-p', '-u', '-i', '--']

function found(program: string): string {
  return find(program) ?? program
}
