import type { OptionWords, VerbWords } from './words.ts'

export function fishScript(verbs: readonly VerbWords[]): string {
  return [
    '# Completes waybill in fish. To have it: waybill completion fish | source',
    ...verbs.flatMap((verb) => [
      `complete -c waybill -f -n __fish_use_subcommand -a ${verb.name} -d ${quoted(verb.summary)}`,
      ...verb.options.map((option) => optionLine(verb.name, option)),
      ...(verb.choices.length === 0
        ? []
        : [`complete -c waybill -f ${after(verb.name)} -a ${quoted(verb.choices.join(' '))}`]),
    ]),
  ].join('\n')
}

function optionLine(verb: string, { long, short, summary, value }: OptionWords): string {
  const takes =
    value === 'none'
      ? ''
      : value === 'file'
        ? ' -r -F'
        : value === 'other'
          ? ' -x'
          : ` -x -a ${quoted(value.choices.join(' '))}`
  const letter = short === undefined ? '' : ` -s ${short.slice(1)}`
  return `complete -c waybill ${after(verb)} -l ${long.slice(2)}${letter}${takes} -d ${quoted(summary)}`
}

function after(verb: string): string {
  return `-n '__fish_seen_subcommand_from ${verb}'`
}

function quoted(text: string): string {
  return `'${text.replaceAll(/['\\]/g, '\\$&')}'`
}
