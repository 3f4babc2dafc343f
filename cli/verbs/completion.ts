import { Argument } from 'commander'
import { CATALOGUE } from '../catalogue.ts'
import { bashScript } from '../completion/bash.ts'
import { fishScript } from '../completion/fish.ts'
import { wordsOf } from '../completion/words.ts'
import { zshScript } from '../completion/zsh.ts'
import { examples } from '../flags.ts'
import type { Verb } from '../verb.ts'

const SCRIPTS = { bash: bashScript, zsh: zshScript, fish: fishScript }

export const verb: Verb = {
  define: (command) => {
    command.addArgument(new Argument('<shell>', 'whose script to print').choices(Object.keys(SCRIPTS)))
    examples(
      command,
      'waybill completion bash > ~/.local/share/bash-completion/completions/waybill',
      'waybill completion zsh > ~/.zfunc/_waybill   # a folder of your fpath',
      'waybill completion fish > ~/.config/fish/completions/waybill.fish',
    )
  },
  run: async ([shell = '']) => {
    const script = shell === 'zsh' || shell === 'fish' ? SCRIPTS[shell] : SCRIPTS.bash
    const text = script(await wordsOf(CATALOGUE))
    return { data: { shell, script: text }, text }
  },
}
