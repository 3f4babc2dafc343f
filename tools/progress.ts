/** What a long job says while it goes on. `update` replaces the last line on a terminal. */
export type Progress = {
  /** A line that stays. */
  readonly say: (line: string) => void
  /** A line about what is going on now; it may be shown often, seldom or never. */
  readonly update: (line: string) => void
}

/** Says nothing. */
export const silent: Progress = { say: () => {}, update: () => {} }

const plainEveryMs = 30_000

/**
 * Progress for a person on `stream`: one live line on a terminal; elsewhere plain lines, of updates at most one in 30 s
 * so that a log stays readable.
 */
export function progressOn(stream: NodeJS.WriteStream): Progress {
  return stream.isTTY ? liveOn(stream) : plainOn(stream)
}

function liveOn(stream: NodeJS.WriteStream): Progress {
  const clear = '\r\u001b[K'
  return {
    say: (line) => void stream.write(`${clear}${line}\n`),
    update: (line) => void stream.write(`${clear}${line.slice(0, Math.max(20, stream.columns - 1))}`),
  }
}

function plainOn(stream: NodeJS.WriteStream): Progress {
  let last = Date.now()
  const write = (line: string) => {
    last = Date.now()
    stream.write(`${line}\n`)
  }
  return {
    say: write,
    update: (line) => {
      if (Date.now() - last >= plainEveryMs) write(line)
    },
  }
}
