import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

/** What the supervisor is told, one JSON line each. */
export type Order =
  | ({ readonly order: 'start'; readonly id: number } & Required<ServiceCommand>)
  | { readonly order: 'signal'; readonly id: number; readonly signal: NodeJS.Signals }
  | { readonly order: 'remove-at-end'; readonly path: string }
  | { readonly order: 'remove-cgroup-at-end'; readonly path: string }

/** What the supervisor tells, one JSON line each. */
export type Report =
  | { readonly id: number; readonly event: 'started'; readonly pid: number }
  | { readonly id: number; readonly event: 'failed'; readonly message: string }
  | {
      readonly id: number
      readonly event: 'exited'
      readonly code: number | null
      readonly signal: NodeJS.Signals | null
    }

/** A service to run: no standard input, both outputs appended to the file `log`. `env` is the whole environment. */
export type ServiceCommand = {
  readonly command: string
  readonly args: readonly string[]
  readonly log: string
  readonly env?: NodeJS.ProcessEnv
  readonly cwd?: string
}

/** A service that runs. It ends with this process at the latest, however this process ends. */
export type Service = {
  readonly pid: number
  readonly log: string
  /** Undefined while it runs; afterwards how it ended. */
  readonly ended: () => string | undefined
  /** Sends a signal and waits until the service is gone. */
  readonly kill: (signal?: NodeJS.Signals) => Promise<void>
}

type Supervisor = {
  readonly tell: (order: Order) => void
  readonly listen: (id: number, heard: (report: Report) => void) => void
}

let supervisor: Supervisor | undefined
let lastId = 0

/** Starts a service under the supervisor. Throws when the program cannot be started. */
export async function startService(command: ServiceCommand): Promise<Service> {
  supervisor ??= startSupervisor()
  const { tell, listen } = supervisor
  const id = ++lastId
  let end: string | undefined
  const exited = Promise.withResolvers<void>()
  const started = Promise.withResolvers<number>()
  listen(id, (report) => {
    if (report.event === 'started') return started.resolve(report.pid)
    end = report.event === 'failed' ? report.message : (report.signal ?? `exit status ${report.code}`)
    started.reject(new Error(`${command.command}: ${end}`))
    exited.resolve()
  })
  tell({ order: 'start', id, env: process.env, cwd: process.cwd(), ...command })
  const pid = await keepAlive(started.promise)
  const kill = async (signal: NodeJS.Signals = 'SIGKILL') => {
    if (end !== undefined) return
    tell({ order: 'signal', id, signal })
    await keepAlive(exited.promise)
  }
  return { pid, log: command.log, ended: () => end, kill }
}

/** A new folder for throw-away files, removed when this process has ended. */
export function scratchDirectory(name: string): string {
  const path = join(tmpdir(), `waybill-${name}-${randomBytes(6).toString('hex')}`)
  mkdirSync(path, { mode: 0o700 })
  supervisor ??= startSupervisor()
  supervisor.tell({ order: 'remove-at-end', path })
  return path
}

/** Has a cgroup, and those below it, removed when this process has ended: once nobody is left in them. */
export function removeCgroupAtEnd(path: string): void {
  supervisor ??= startSupervisor()
  supervisor.tell({ order: 'remove-cgroup-at-end', path })
}

/** Calls `ready` every 50 ms until it answers true. Throws with the log's last lines when the service ends or time is up. */
export async function untilReady(
  service: Service,
  what: string,
  waitMs: number,
  ready: () => Promise<boolean>,
): Promise<void> {
  const deadline = Date.now() + waitMs
  while (!(await ready().catch(() => false))) {
    const end = service.ended()
    const why = end ?? (Date.now() > deadline ? `not ready after ${waitMs} ms` : undefined)
    if (why !== undefined) {
      throw new Error(`${what}: ${why}\n${readFileSync(service.log, 'utf8').split('\n').slice(-30).join('\n')}`)
    }
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

function startSupervisor(): Supervisor {
  const script = join(import.meta.dirname, 'supervisor.ts')
  const child = spawn(process.execPath, [script], { detached: true, stdio: ['pipe', 'pipe', 'ignore'] })
  const heard = new Map<number, (report: Report) => void>()
  createInterface({ input: child.stdout }).on('line', (line) => {
    const report = parseReport(line)
    heard.get(report.id)?.(report)
  })
  child.stdin.on('error', () => {})
  letGo(child)
  return {
    tell: (order) => void child.stdin.write(`${JSON.stringify(order)}\n`),
    listen: (id, listener) => void heard.set(id, listener),
  }
}

/** Lets this process end while the supervisor runs: its end is what the supervisor waits for. */
function letGo(child: ChildProcess): void {
  child.unref()
  for (const pipe of [child.stdin, child.stdout]) {
    if (pipe !== null && 'unref' in pipe && typeof pipe.unref === 'function') pipe.unref()
  }
}

async function keepAlive<T>(promise: Promise<T>): Promise<T> {
  const timer = setInterval(() => {}, 1_000)
  try {
    return await promise
  } finally {
    clearInterval(timer)
  }
}

function parseReport(line: string): Report {
  return JSON.parse(line) as Report
}
