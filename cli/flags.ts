import os, { type PlatformPath } from 'node:path'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { WaybillError } from '../contract/errors.ts'

/** The options that a verb was given, by their camelCase names. */
export type Flags = {
  readonly on: (name: string) => boolean
  readonly text: (name: string) => string | undefined
  /** @throws WaybillError USAGE when the option was not given */
  readonly need: (name: string) => string
  readonly list: (name: string) => readonly string[]
  readonly number: (name: string) => number | undefined
}

export function readFlags(command: Command): Flags {
  const options: Readonly<Record<string, unknown>> = command.opts()
  const text = (name: string) => {
    const value = options[name]
    return typeof value === 'string' ? value : undefined
  }
  return {
    text,
    on: (name) => options[name] === true,
    need: (name) => {
      const value = text(name)
      if (value === undefined) throw new WaybillError('USAGE', `--${kebab(name)} is needed`)
      return value
    },
    list: (name) => {
      const value = options[name]
      return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : []
    },
    number: (name) => {
      const value = options[name]
      return typeof value === 'number' ? value : undefined
    },
  }
}

function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
}

/** A path on the command line, made absolute. */
export function pathFrom(cwd: string, path: string, { isAbsolute, resolve }: PlatformPath = os): string {
  return isAbsolute(path) ? path : resolve(cwd, path)
}

/** A path inside a repository, as Git writes it on every system. */
export function pathInRepository(path: string, { sep }: PlatformPath = os): string {
  return path.split(sep).join('/')
}

/** A whole number from 1. For commander's `argParser`. */
export function positive(text: string): number {
  if (!/^[1-9][0-9]{0,8}$/.test(text)) throw new InvalidArgumentError('A whole number from 1 is needed.')
  return Number(text)
}

/** `30s`, `5m`, `1h` as milliseconds. For commander's `argParser`. */
export function durationMs(text: string): number {
  const match = /^([1-9][0-9]{0,5})(s|m|h)$/.exec(text)
  if (match === null) throw new InvalidArgumentError('A duration such as 30s, 5m or 1h is needed.')
  return Number(match[1]) * { s: 1000, m: 60_000, h: 3_600_000 }[match[2] === 's' ? 's' : match[2] === 'm' ? 'm' : 'h']
}

/** A name as Kubernetes takes it for a namespace (RFC 1123 label). For commander's `argParser`. */
export function kubeName(text: string): string {
  if (text.length > 63 || !/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/.test(text))
    throw new InvalidArgumentError('Lower-case letters, digits and hyphens are needed, 63 at most.')
  return text
}

export function collect(text: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), text]
}

export function outputFlag(command: Command, forms: readonly string[] = []): Command {
  const choices = ['text', 'json', ...forms]
  return command.addOption(new Option('--output <form>', 'how to print').choices(choices).default('text'))
}

export function commitFlags(command: Command): Command {
  return command
    .option('--repo <dir>', 'the Git repository (default: the one around the current folder)')
    .option('--path <folder>', 'the folder of waybill.yaml in the repository (default: its root)')
    .option('--rev <revision>', 'the commit: a branch, tag or hash', 'HEAD')
}

export function registryFlags(command: Command): Command {
  return command
    .option('--plain-http', 'speak HTTP to the registry')
    .option('--ca-file <pem>', 'certificates to trust in addition')
    .option('--registry-config <json>', 'a file of logins (default: those of `oras login` and `docker login`)')
}

export function clusterFlags(command: Command): Command {
  return command
    .option('--kubeconfig <file>', 'default: $KUBECONFIG, then ~/.kube/config')
    .option('--context <name>', 'a context of the kubeconfig (default: its current one)')
}

export function namespaceFlag(command: Command): Command {
  return command.option('-n, --namespace <name>', 'namespace of the Delivery (default: that of the context)', kubeName)
}

/** For verbs that take their time. */
export function quietFlag(command: Command): Command {
  return command.option('-q, --quiet', 'do not say what is being done; warnings and errors stay')
}

/** Examples, under the options of --help. */
export function examples(command: Command, ...lines: readonly string[]): Command {
  return command.addHelpText('after', `\nExamples:\n${lines.map((line) => `  ${line}`).join('\n')}`)
}
