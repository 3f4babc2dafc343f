import { Command } from 'commander'
import type { CatalogueEntry } from '../catalogue.ts'
import { collect, outputFlag } from '../flags.ts'

/** What can follow a verb on the command line. */
export type VerbWords = {
  readonly name: string
  readonly summary: string
  /** What its arguments can be, where that is a fixed set. */
  readonly choices: readonly string[]
  readonly options: readonly OptionWords[]
}

export type OptionWords = {
  readonly long: string
  readonly short?: string
  readonly summary: string
  /** none: it takes no value; one of a set; a file or folder; or something that no shell can know. */
  readonly value: 'none' | 'file' | 'other' | { readonly choices: readonly string[] }
  readonly again: boolean
}

/** As the verbs define themselves, so that what is completed is what is taken. Loads every verb. */
export function wordsOf(catalogue: readonly CatalogueEntry[]): Promise<readonly VerbWords[]> {
  return Promise.all(
    catalogue.map(async ({ name, summary, load }) => {
      const command = new Command(name)
      const { define, forms } = await load()
      define(command)
      outputFlag(command, forms)
      const choices = command.registeredArguments.flatMap(({ argChoices = [] }) => argChoices)
      const help: OptionWords = { long: '--help', short: '-h', summary: 'what it takes', value: 'none', again: false }
      return {
        name,
        summary,
        choices,
        options: [...command.options.filter(({ hidden }) => !hidden).map(optionOf), help],
      }
    }),
  )
}

function optionOf(option: Command['options'][number]): OptionWords {
  const { long, short, description, argChoices, flags, parseArg } = option
  const takes = option.required || option.optional
  const file = /[<[](?:dir|file|pem|json)[>\]]/.test(flags)
  return {
    long: long ?? '',
    summary: description,
    value: !takes ? 'none' : argChoices !== undefined ? { choices: argChoices } : file ? 'file' : 'other',
    again: parseArg === collect,
    ...(short === undefined ? {} : { short }),
  }
}
