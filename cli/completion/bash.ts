import type { OptionWords, VerbWords } from './words.ts'

/** Bash 3.2 or newer. Where there is nothing to offer, readline offers files. */
export function bashScript(verbs: readonly VerbWords[]): string {
  const names = verbs.map(({ name }) => name).join(' ')
  return `# Completes waybill in bash. To have it: source <(waybill completion bash)
_waybill() {
  local cur=\${COMP_WORDS[COMP_CWORD]} before=$((COMP_CWORD - 1)) verb='' words='' i
  # Bash takes --flag=value apart.
  [ "$cur" = '=' ] && cur=''
  [ "\${COMP_WORDS[before]}" = '=' ] && before=$((before - 1))
  for ((i = 1; i < COMP_CWORD; i++)); do
    case \${COMP_WORDS[i]} in
      -*) ;;
      help) ;;
      *) verb=\${COMP_WORDS[i]}; break ;;
    esac
  done
  COMPREPLY=()
  case "$verb \${COMP_WORDS[before]}" in
${verbs.flatMap(valueCases).join('\n')}
    *)
      case $verb in
        '') words='${names} help --help --version' ;;
${verbs.map(({ name, choices, options }) => `        ${name}) words='${[...choices, ...options.map(({ long }) => long)].join(' ')}' ;;`).join('\n')}
      esac
      [ -n "$verb" ] && [ "\${words#--}" != "$words" ] && [ "\${cur#-}" = "$cur" ] && return 0
      ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -o default -F _waybill waybill`
}

/** What follows an option that takes a value: the choices, or files, which readline knows. */
function valueCases({ name, options }: VerbWords): readonly string[] {
  const patterns = ({ long, short }: OptionWords) =>
    [long, ...(short === undefined ? [] : [short])].map((flag) => `'${name} ${flag}'`)
  const free = options.filter(({ value }) => value === 'file' || value === 'other').flatMap(patterns)
  const chosen = options.flatMap((option) =>
    typeof option.value === 'string'
      ? []
      : [`    ${patterns(option).join(' | ')}) words='${option.value.choices.join(' ')}' ;;`],
  )
  return [...(free.length === 0 ? [] : [`    ${free.join(' | ')}) return 0 ;;`]), ...chosen]
}
