import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** `waybill puller` as a process of its own, compiled and started as in a pod. */
export type PullerProcess = {
  readonly pid: number
  /** Seconds of processor time so far, of all its threads. */
  cpuSeconds(): number
  /** Megabytes that it has now, and the most that it ever had. Linux only. */
  memory(): { readonly nowMb: number; readonly peakMb: number }
  /** What it printed last: for when something is wrong. */
  lastWords(): string
  /** Undefined while it runs. */
  ended(): string | undefined
  stop(): Promise<void>
}

export type PullerProcessOptions = {
  /** The folder that `compile` made. */
  readonly package: string
  readonly cacheDir: string
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
}

const ROOT = join(import.meta.dirname, '..', '..', '..')
/** Of /proc/PID/stat: sysconf(_SC_CLK_TCK), which is 100 on every Linux that Node runs on. */
const TICKS_A_SECOND = 100

/** What `npm pack` ships, in a folder from which its dependencies are found: sources that are run as they are take more memory. */
export function compile(): string {
  const folder = join(ROOT, 'node_modules', '.cache', 'waybill-bench')
  const { status, error } = spawnSync(process.execPath, [join(ROOT, 'tools', 'dist.ts'), join(folder, 'dist')], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  if (status !== 0) throw new Error('what is to be measured does not compile', { cause: error })
  mkdirSync(join(folder, 'cli'), { recursive: true })
  for (const file of ['package.json', 'cli/waybill.js']) cpSync(join(ROOT, file), join(folder, file))
  return folder
}

export function startPuller(options: PullerProcessOptions): PullerProcess {
  const { cacheDir, args, env } = options
  const child = spawn(
    process.execPath,
    [
      ...[join(options.package, 'cli', 'waybill.js'), 'puller', '--cache-dir', cacheDir, '--plain-http'],
      ...['--log-level', process.env.WAYBILL_BENCH_LOG ?? 'warn', ...args],
    ],
    { stdio: ['ignore', 'ignore', 'pipe'], env: { PATH: process.env.PATH, HOME: cacheDir, ...env } },
  )
  let words = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    words = (words + text).slice(-8_000)
  })
  const over = endOf(child)
  let ended: string | undefined
  void over.then((how) => {
    ended = how
  })
  const end = () => child.kill('SIGKILL')
  process.once('exit', end)
  const pid = child.pid ?? 0
  return {
    pid,
    cpuSeconds: () => {
      const [, fields = ''] = /\) (.*)$/s.exec(readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? []
      const [user = '0', system = '0'] = fields.split(' ').slice(11, 13)
      return (Number(user) + Number(system)) / TICKS_A_SECOND
    },
    memory: () => {
      const status = readFileSync(`/proc/${pid}/status`, 'utf8')
      const mb = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) / 1024
      return { nowMb: mb('VmRSS'), peakMb: mb('VmHWM') }
    },
    lastWords: () => words,
    ended: () => ended,
    stop: async () => {
      child.kill('SIGTERM')
      const late = setTimeout(end, 20_000)
      await over
      clearTimeout(late)
      process.removeListener('exit', end)
    },
  }
}

function endOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message))
    child.once('close', (code, signal) => resolve(`ended with ${code ?? signal}`))
  })
}
