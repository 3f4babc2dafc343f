import { safeLines, visible } from '../packager/diff/visible.ts'

/** Where progress is shown. `columns` is there on a terminal, and asked for each time: windows change. */
export type Screen = { readonly write: (text: string) => void; readonly columns: () => number | undefined }

export type ProgressLine = {
  /** Says what is being done now. */
  readonly step: (line: string) => void
  /** Says something that stays. */
  readonly note: (line: string) => void
  /** The step takes its time: says how long. Only a terminal sees it. */
  readonly tick: (seconds: number) => void
  /** Takes the live line away, before anything else is printed. */
  readonly clear: () => void
}

const ERASE = '\r\u001b[2K'

/** On a terminal one live line, each step over the one before; elsewhere, as in CI, a plain line for each. */
export function createProgressLine({ write, columns }: Screen): ProgressLine {
  let live = ''
  const clear = () => {
    if (live === '') return
    live = ''
    write(ERASE)
  }
  const show = (line: string, width: number) => write(`${ERASE}${shorten(line, width - 1)}`)
  return {
    clear,
    step: (line) => {
      const width = columns()
      if (width === undefined) return write(`${printed(line)}\n`)
      live = line
      show(line, width)
    },
    note: (line) => {
      clear()
      write(`${printed(line)}\n`)
    },
    tick: (seconds) => {
      const width = columns()
      if (live !== '' && width !== undefined) show(`${live} (${seconds} s)`, width)
    },
  }
}

/** Names in it are of a commit that anybody wrote: a log may take nothing of them for a command. */
function printed(line: string): string {
  return safeLines([visible(line)])
}

/** What control characters a name may hold is not for the terminal to carry out. */
function shorten(line: string, width: number): string {
  const plain = line.replaceAll(/\p{Cc}/gu, ' ')
  return plain.length <= width ? plain : `${plain.slice(0, Math.max(0, width - 1))}…`
}
