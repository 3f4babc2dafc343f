import { constants } from 'node:os'
import { createInterface } from 'node:readline/promises'
import { WaybillError } from '../contract/errors.ts'
import { EXIT, type Exit } from './exit.ts'
import { createProgressLine, type ProgressLine } from './progress.ts'
import { fail, runCommandLine, type Surroundings } from './run.ts'
import type { Context, Verb } from './verb.ts'

/**
 * Runs the command line of this process: the only reader of argv and the environment, the only writer of stdout and
 * stderr, and the only place that ends the process. `version` is Waybill's own.
 */
export async function main(version: string): Promise<void> {
  const argv = process.argv.slice(2)
  const progress = watchedProgress()
  const print = (stream: NodeJS.WriteStream, text: string) => {
    progress.clear()
    return write(stream, text)
  }
  const surroundings: Surroundings = {
    version,
    out: (text) => print(process.stdout, text),
    err: (text) => print(process.stderr, text),
    debug: process.env.WAYBILL_DEBUG === '1',
    contextFor: (verb) => contextFor(verb, version, progress),
  }
  guardStreams()
  process.on('uncaughtException', (thrown) => end(fail(argv, thrown, surroundings)))
  process.on('unhandledRejection', (thrown) => end(fail(argv, thrown, surroundings)))
  await end(runCommandLine(argv, surroundings))
}

/** A step that lasts says so every second; the timer keeps nothing alive. */
function watchedProgress(): ProgressLine {
  const { stderr } = process
  const isTerminal = stderr.isTTY && process.env.TERM !== 'dumb'
  const line = createProgressLine({
    write: (text) => void stderr.write(text),
    columns: () => (isTerminal ? stderr.columns : undefined),
  })
  let began = 0
  if (isTerminal) setInterval(() => line.tick(Math.round((performance.now() - began) / 1000)), 1000).unref()
  const step = (text: string) => {
    began = performance.now()
    line.step(text)
  }
  return { ...line, step }
}

function contextFor(verb: Verb, version: string, { step, note, clear }: ProgressLine): Context {
  // However the process ends, a shell's prompt begins on a line of its own.
  endTasks.add(clear)
  const abort = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    const earlier = process.listeners(signal)
    process.once(signal, () => {
      // A second one, or a verb that does not wait for the first, ends the process the way the signal does.
      if (verb.stopsBySignal) return abort.abort()
      runEndTasks()
      process.kill(process.pid, signal)
      // The first process of a container is not ended that way.
      if (process.pid === 1) process.exit(128 + constants.signals[signal])
    })
    // In this order: with no listener between, a signal that is there already would be lost.
    for (const one of earlier) process.removeListener(signal, one)
  }
  return {
    env: process.env,
    cwd: process.cwd(),
    version,
    now: new Date(),
    colour: process.stdout.isTTY && !process.env.NO_COLOR && process.env.TERM !== 'dumb',
    progress: note,
    step,
    ...(process.stdin.isTTY && process.stderr.isTTY ? { ask } : {}),
    atEnd: (task) => endTasks.add(task),
    signal: abort.signal,
  }
}

async function ask(question: string): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  try {
    return /^y(es)?$/i.test((await terminal.question(`${question} [y/N] `)).trim())
  } finally {
    terminal.close()
  }
}

const endTasks = new Set<() => void>()

function runEndTasks(): void {
  for (const task of endTasks) task()
  endTasks.clear()
}

/** A reader that goes away (`| head`) is not an error. */
function guardStreams(): void {
  for (const stream of [process.stdout, process.stderr])
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') process.exitCode = EXIT.failed
    })
}

function write(stream: NodeJS.WriteStream, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(text, (error: (Error & { readonly code?: string }) | null | undefined) => {
      if (error === null || error === undefined || error.code === 'EPIPE') resolve()
      else reject(new WaybillError('DISK_FULL', `the output could not be written: ${error.message}`, { cause: error }))
    })
  })
}

/** Ends the process: the streams were flushed by `write`, and nothing that is still open may keep it. */
async function end(status: Exit | Promise<Exit>): Promise<void> {
  const exit = await status
  runEndTasks()
  process.exit(exit)
}
