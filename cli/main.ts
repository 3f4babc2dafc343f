import { Command, CommanderError } from 'commander'
import { WaybillError } from '../contract/errors.ts'
import { CATALOGUE } from './catalogue.ts'
import { EXIT, type Exit, exitOf } from './exit.ts'
import { outputFlag, readFlags } from './flags.ts'
import { errorJson, errorText, type OutputForm, printOutcome, toWaybillError } from './output.ts'
import type { Context, Verb } from './verb.ts'

/**
 * Runs the command line: the only reader of argv and the environment, the only writer of stdout and stderr, and the only
 * place that ends the process. `version` is Waybill's own.
 */
export async function main(version: string): Promise<void> {
  const argv = process.argv.slice(2)
  const form = outputForm(argv)
  guardStreams()
  process.on('uncaughtException', (thrown) => end(fail(form, thrown)))
  process.on('unhandledRejection', (thrown) => end(fail(form, thrown)))
  try {
    await end(await runVerb(argv, form, version))
  } catch (thrown) {
    await end(fail(form, thrown))
  }
}

async function runVerb(argv: readonly string[], form: OutputForm, version: string): Promise<Exit> {
  const { program, verb, command, told } = await buildProgram(argv, version)
  try {
    program.parse(argv, { from: 'user' })
  } catch (thrown) {
    if (!(thrown instanceof CommanderError)) throw thrown
    const exit = afterParsing(thrown, command?.name())
    await write(process.stdout, told.join(''))
    return exit
  }
  if (verb === undefined || command === undefined) throw new WaybillError('USAGE', 'no command was given')
  const outcome = await verb.run(command.args, readFlags(command), contextFor(verb, version))
  await write(process.stdout, printOutcome(form, outcome))
  if (outcome.error === undefined) return outcome.exit ?? EXIT.done
  if (form === 'text') await write(process.stderr, errorText(outcome.error))
  return exitOf(outcome.error)
}

const ENVIRONMENT = `
Environment:
  COSIGN_PASSWORD     the password of a cosign.key
  WAYBILL_ORAS        the oras to run (default: the one on the PATH)
  WAYBILL_KUSTOMIZE   the kustomize to run (default: the one on the PATH)
  WAYBILL_DEBUG=1     print stacks with errors
  KUBECONFIG, DOCKER_CONFIG, HTTPS_PROXY, NO_PROXY and TMPDIR mean what they always mean`

/** `told`: what --help or --version had to say. */
type Program = {
  readonly told: readonly string[]
  readonly program: Command
  readonly verb?: Verb
  readonly command?: Command
}

/** All verbs by name; the one that argv asks for with its options. Only that one's file is loaded. */
async function buildProgram(argv: readonly string[], version: string): Promise<Program> {
  const told: string[] = []
  const quiet = (command: Command) =>
    command
      .exitOverride()
      .showSuggestionAfterError(true)
      .configureOutput({ writeErr: () => {}, writeOut: (text) => told.push(text) })
  const program = quiet(new Command('waybill'))
    .description('Git commits in, signed OCI artifacts out; clusters pull, verify, apply, and keep the record.')
    .version(version, '--version', 'print the version')
    .enablePositionalOptions()
    .addHelpText('after', '\nRun `waybill <command> --help` for what a command takes, with examples.')
    .addHelpText('after', ENVIRONMENT)
  for (const { name, summary } of CATALOGUE)
    program.addCommand(quiet(new Command(name)).description(summary).summary(summary))
  const words = argv.filter((word) => !word.startsWith('-'))
  const asked = CATALOGUE.find(({ name }) => name === (words[0] === 'help' ? words[1] : words[0]))
  const command = program.commands.find((each) => each.name() === asked?.name)
  if (asked === undefined || command === undefined) return { program, told }
  const verb = await asked.load()
  verb.define(command)
  // Parsing only parses: what the verb does comes after it.
  outputFlag(command).action(() => {})
  return { program, told, verb, command }
}

/** --help and --version have their say; all else is wrong usage, with the nearest name as a hint. */
function afterParsing(error: CommanderError, command: string | undefined): Exit {
  if (error.code === 'commander.helpDisplayed' || error.code === 'commander.version') return EXIT.done
  if (error.code === 'commander.help') {
    if (error.exitCode === 0) return EXIT.done
    throw new WaybillError('USAGE', 'no command was given', { hint: 'waybill --help lists the commands.' })
  }
  const text = error.message.replace(/^error: /, '')
  const suggestion = /\(Did you mean (.*)\?\)/s.exec(text)?.[1]
  const message = text.replace(/\s*\(Did you mean .*\?\)/s, '').trim()
  const help = `waybill ${command === undefined ? '' : `${command} `}--help shows what it takes.`
  throw new WaybillError('USAGE', message, { hint: suggestion === undefined ? help : `Did you mean ${suggestion}?` })
}

function contextFor(verb: Verb, version: string): Context {
  const abort = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      // A second one, or a verb that does not wait for the first, ends the process the way the signal does.
      if (verb.stopsBySignal) return abort.abort()
      runEndTasks()
      process.kill(process.pid, signal)
    })
  }
  return {
    env: process.env,
    cwd: process.cwd(),
    version,
    now: new Date(),
    progress: (line) => process.stderr.write(`${line}\n`),
    atEnd: (task) => endTasks.add(task),
    signal: abort.signal,
  }
}

const endTasks = new Set<() => void>()

function runEndTasks(): void {
  for (const task of endTasks) task()
  endTasks.clear()
}

/** Prints the error: as text on stderr, or as the one document on stdout. The exit status is the error's, printed or not. */
async function fail(form: OutputForm, thrown: unknown): Promise<Exit> {
  const error = toWaybillError(thrown)
  const debug = process.env.WAYBILL_DEBUG === '1' ? `${stacks(thrown)}\n` : ''
  try {
    if (form === 'json') await write(process.stdout, errorJson(error))
    else await write(process.stderr, errorText(error))
    await write(process.stderr, debug)
  } catch {
    // Nobody reads; who waits for us still learns from the exit status.
  }
  return exitOf(error)
}

function stacks(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown)
  return [thrown.stack, ...(thrown.cause === undefined ? [] : [`caused by ${stacks(thrown.cause)}`])].join('\n')
}

/** Known before parsing, because wrong usage too is told in the form that was asked for. */
function outputForm(argv: readonly string[]): OutputForm {
  const at = argv.lastIndexOf('--output')
  return argv.includes('--output=json') || (at >= 0 && argv[at + 1] === 'json') ? 'json' : 'text'
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
