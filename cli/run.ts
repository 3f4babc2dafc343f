import { Command, CommanderError } from 'commander'
import { WaybillError } from '../contract/errors.ts'
import { CATALOGUE } from './catalogue.ts'
import { EXIT, type Exit, exitOf } from './exit.ts'
import { outputFlag, readFlags } from './flags.ts'
import { errorJson, errorText, type OutputForm, printOutcome, toWaybillError } from './output.ts'
import type { Context, Verb } from './verb.ts'

/** What a run of the command line takes from the process around it. Only cli/main.ts and tests make one. */
export type Surroundings = {
  /** Waybill's own version. */
  readonly version: string
  /** Writes to stdout, and resolves when it is written. */
  readonly out: (text: string) => Promise<void>
  /** Writes to stderr, likewise. */
  readonly err: (text: string) => Promise<void>
  /** Print stacks with errors. */
  readonly debug: boolean
  /** What a verb gets to know of the process. Asked for once, when the command line was understood. */
  readonly contextFor: (verb: Verb) => Context
}

/** Runs one command line, without the name of the program, and resolves to the exit status. Never rejects. */
export async function runCommandLine(argv: readonly string[], surroundings: Surroundings): Promise<Exit> {
  try {
    return await runVerb(argv, surroundings)
  } catch (thrown) {
    return fail(argv, thrown, surroundings)
  }
}

type Speaker = Pick<Surroundings, 'out' | 'err' | 'debug'>

/** Prints the error: as text on stderr, or as the one document on stdout. The exit status is the error's, printed or not. */
export async function fail(argv: readonly string[], thrown: unknown, { out, err, debug }: Speaker): Promise<Exit> {
  const error = toWaybillError(thrown)
  try {
    if (outputForm(argv) === 'json') await out(errorJson(error))
    else await err(errorText(error))
    if (debug) await err(`${stacks(thrown)}\n`)
  } catch {
    // Nobody reads; who waits for us still learns from the exit status.
  }
  return exitOf(error)
}

async function runVerb(argv: readonly string[], { version, out, err, contextFor }: Surroundings): Promise<Exit> {
  const form = outputForm(argv)
  const { program, verb, command, told } = await buildProgram(argv, version)
  try {
    program.parse(argv, { from: 'user' })
  } catch (thrown) {
    if (!(thrown instanceof CommanderError)) throw thrown
    const exit = afterParsing(thrown, command?.name(), argv[0] === 'help' ? argv[1] : undefined)
    await out(told.join(''))
    return exit
  }
  if (verb === undefined || command === undefined) throw new WaybillError('USAGE', 'no command was given')
  refuseEmpty(command)
  const flags = readFlags(command)
  const context = contextFor(verb)
  const outcome = await verb.run(command.args, flags, flags.on('quiet') ? { ...context, step: () => {} } : context)
  await out(printOutcome(form, outcome))
  if (outcome.error === undefined) return outcome.exit ?? EXIT.done
  if (form === 'text') await err(errorText(outcome.error))
  return exitOf(outcome.error)
}

const ENVIRONMENT = `
Environment:
  COSIGN_PASSWORD     the password of a cosign.key
  WAYBILL_ORAS        the oras to run (default: the one on the PATH)
  WAYBILL_KUSTOMIZE   the kustomize to run (default: the one on the PATH)
  WAYBILL_HELM        the helm to run (default: the one on the PATH)
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
  outputFlag(command, verb.forms).action(() => {})
  return { program, told, verb, command }
}

/** --help and --version have their say; all else is wrong usage, with the nearest name as a hint. */
function afterParsing(error: CommanderError, command: string | undefined, helpOn: string | undefined): Exit {
  if (error.code === 'commander.helpDisplayed' || error.code === 'commander.version') return EXIT.done
  if (error.code === 'commander.help') {
    if (error.exitCode === 0) return EXIT.done
    const message = helpOn === undefined ? 'no command was given' : `unknown command '${helpOn}'`
    throw new WaybillError('USAGE', message, { hint: 'waybill --help lists the commands.' })
  }
  const text = error.message.replace(/^error: /, '')
  const suggestion = /\(Did you mean (.*)\?\)/s.exec(text)?.[1]
  const message = text.replace(/\s*\(Did you mean .*\?\)/s, '').trim()
  const help = `waybill ${command === undefined ? '' : `${command} `}--help shows what it takes.`
  throw new WaybillError('USAGE', message, { hint: suggestion === undefined ? help : `Did you mean ${suggestion}?` })
}

/** An empty word is a shell variable that is not set: told, before it means something else. */
function refuseEmpty(command: Command): void {
  const options: Readonly<Record<string, unknown>> = command.opts()
  const empty = command.options.find((option) => [options[option.attributeName()]].flat().includes(''))
  const what = empty === undefined ? (command.args.includes('') ? 'an argument' : undefined) : empty.flags
  if (what === undefined) return
  throw new WaybillError('USAGE', `${what} is empty`, { hint: 'Is a variable of your shell or CI not set?' })
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
