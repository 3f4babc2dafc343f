/** Tells the story on a screen. */
export type Narrator = {
  readonly step: (title: string) => void
  readonly say: (text: string) => void
  /** A command that is run, as a person would type it. */
  readonly command: (line: string) => void
  readonly answer: (text: string) => void
  /** Something that was asserted and held. */
  readonly seen: (what: string) => void
  /** How many steps were told and how many things were seen. */
  readonly totals: () => { readonly steps: number; readonly seen: number }
}

const answerLinesMax = 40

/** A narrator that writes to `write`, in colour when `colour` is set. */
export function narratorTo(write: (text: string) => void, colour: boolean): Narrator {
  const paint = (code: number, text: string) => (colour ? `\u001b[${code}m${text}\u001b[0m` : text)
  const started = Date.now()
  let steps = 0
  let sights = 0
  return {
    step: (title) => {
      steps++
      const at = `${((Date.now() - started) / 1000).toFixed(0)} s`
      write(`\n${paint(1, `${steps}. ${title}`)} ${paint(2, `(${at})`)}\n`)
    },
    say: (text) => write(`${text.replaceAll(/^/gm, '   ')}\n`),
    command: (line) => write(`   ${paint(36, `$ ${line}`)}\n`),
    answer: (text) => {
      const lines = text.trimEnd().split('\n')
      const more = lines.length > answerLinesMax ? [`… ${lines.length - answerLinesMax} lines more`] : []
      for (const line of [...lines.slice(0, answerLinesMax), ...more])
        if (line !== '') write(`     ${paint(2, line)}\n`)
    },
    seen: (what) => {
      sights++
      write(`   ${paint(32, '✔')} ${what}\n`)
    },
    totals: () => ({ steps, seen: sights }),
  }
}
