import type { OptionWords, VerbWords } from './words.ts'

export function zshScript(verbs: readonly VerbWords[]): string {
  return `#compdef waybill
# Completes waybill in zsh. To have it: source <(waybill completion zsh), after compinit
_waybill() {
  local -a verbs
  verbs=(
${verbs.map(({ name, summary }) => `    ${quoted(`${name}:${summary.replaceAll(':', '\\:')}`)}`).join('\n')}
  )
  if (( CURRENT == 2 )); then
    _describe 'command' verbs
    return
  fi
  local verb="\${words[2]}"
  shift words
  (( CURRENT-- ))
  case "$verb" in
${verbs.map(verbCase).join('\n')}
  esac
}
if [ "\${funcstack[1]}" = _waybill ]; then _waybill "$@"; else compdef _waybill waybill; fi`
}

function verbCase({ name, choices, options }: VerbWords): string {
  const rest = choices.length === 0 ? '*:file:_files' : `*:argument:(${choices.join(' ')})`
  const specs = [...options.flatMap(specsOf), rest].map((spec) => `      ${quoted(spec)}`)
  return `    ${name}) _arguments \\\n${specs.join(' \\\n')} ;;`
}

/** \`--flag=[what]:value:action\`, as \`_arguments\` takes it. */
function specsOf({ long, short, summary, value, again }: OptionWords): readonly string[] {
  const what = `[${summary.replaceAll(/[[\]:\\]/g, '\\$&')}]`
  const action =
    value === 'none' ? '' : value === 'file' ? ':file:_files' : value === 'other' ? ':value: ' : choicesOf(value)
  const star = again ? '*' : ''
  const spec = (flag: string, joint: string) => `${star}${flag}${value === 'none' ? '' : joint}${what}${action}`
  return [spec(long, '='), ...(short === undefined ? [] : [spec(short, '+')])]
}

function choicesOf({ choices }: { readonly choices: readonly string[] }): string {
  return `:value:(${choices.join(' ')})`
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}
