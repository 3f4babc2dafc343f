// Runs as a process of its own: starts and ends the services that tests and the demo need, and outlives its parent by a
// moment. Its standard input is a pipe from the parent. When that closes, however the parent ended, every service is
// killed and every scratch folder and cgroup removed, so that nothing is ever left over.
import { type ChildProcess, spawn } from 'node:child_process'
import { openSync, rmSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { removeCgroup } from '../node/cgroups.ts'
import type { Order, Report } from './process.ts'

const running = new Map<number, ChildProcess>()
const scratch: string[] = []
const cgroups: string[] = []

const report = (line: Report) => void process.stdout.write(`${JSON.stringify(line)}\n`)

function parseOrder(line: string): Order {
  return JSON.parse(line) as Order
}

function obey(order: Order): void {
  if (order.order === 'remove-at-end') {
    scratch.push(order.path)
    return
  }
  if (order.order === 'remove-cgroup-at-end') {
    cgroups.push(order.path)
    return
  }
  if (order.order === 'signal') {
    running.get(order.id)?.kill(order.signal)
    return
  }
  const { id, command, args, env, cwd, log } = order
  const output = openSync(log, 'a')
  const child = spawn(command, args, { cwd, env, stdio: ['ignore', output, output] })
  child.once('spawn', () => report({ id, event: 'started', pid: child.pid ?? 0 }))
  child.once('error', (error) => report({ id, event: 'failed', message: error.message }))
  child.once('exit', (code, signal) => {
    running.delete(id)
    report({ id, event: 'exited', code, signal })
  })
  running.set(id, child)
}

function end(): void {
  const children = [...running.values()]
  for (const child of children) child.kill('SIGKILL')
  const finish = () => {
    for (const path of scratch) rmSync(path, { recursive: true, force: true, maxRetries: 5 })
    process.exit(0)
  }
  const isOver = () =>
    children.every((child) => child.exitCode !== null || child.signalCode !== null) && cgroups.every(removeCgroup)
  const wait = () => (isOver() ? finish() : setTimeout(wait, 20))
  wait()
  setTimeout(finish, cgroups.length === 0 ? 3_000 : 20_000)
}

process.stdout.on('error', () => {})
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, end)
process.on('uncaughtException', end)
createInterface({ input: process.stdin })
  .on('line', (line) => obey(parseOrder(line)))
  .on('close', end)
