import { setTimeout } from 'node:timers/promises'

/** Lets this many milliseconds go by. */
export async function wait(ms: number): Promise<void> {
  await setTimeout(ms)
}
