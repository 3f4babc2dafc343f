/** Two ways to the same end. Each call of `ours` and of `theirs` does the whole work once. */
export type Contest = {
  readonly what: string
  readonly against: string
  readonly rounds: number
  /** What the ratio should not pass, where something was promised. */
  readonly atMost?: number
  /** How often each round does the work, so that a round is long enough for the clock. */
  readonly times: number
  readonly ours: () => unknown
  readonly theirs: () => unknown
}

/** Medians over the rounds. `ratio` is the median of the rounds' own ratios: what slows a machine down slows both sides. */
export type Result = Pick<Contest, 'what' | 'against' | 'rounds' | 'atMost'> & {
  readonly ratio: number
  readonly oursMs: number
  readonly theirsMs: number
}

const warmUps = 2

/** Holds one contest: warm-ups that do not count, then rounds in which who goes first takes turns. */
export async function hold({ what, against, rounds, times, ours, theirs, ...bound }: Contest): Promise<Result> {
  const found: { readonly ours: number; readonly theirs: number }[] = []
  for (let round = -warmUps; round < rounds; round++) {
    const oursFirst = round % 2 === 0
    const first = await millisecondsOf(oursFirst ? ours : theirs, times)
    const second = await millisecondsOf(oursFirst ? theirs : ours, times)
    if (round >= 0) found.push(oursFirst ? { ours: first, theirs: second } : { ours: second, theirs: first })
  }
  return {
    ...bound,
    what,
    against,
    rounds,
    ratio: median(found.map((round) => round.ours / round.theirs)),
    oursMs: median(found.map((round) => round.ours)),
    theirsMs: median(found.map((round) => round.theirs)),
  }
}

async function millisecondsOf(work: () => unknown, times: number): Promise<number> {
  const started = performance.now()
  for (let done = 0; done < times; done++) await work()
  return (performance.now() - started) / times
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const half = Math.floor(sorted.length / 2)
  const [low = Number.NaN, high = Number.NaN] = [sorted[sorted.length % 2 === 0 ? half - 1 : half], sorted[half]]
  return (low + high) / 2
}
