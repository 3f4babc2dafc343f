import type { ProcessFigures } from './metrics.ts'

/** Of this process, now. */
export function processFigures(): ProcessFigures {
  const { user, system } = process.cpuUsage()
  return { cpuSeconds: (user + system) / 1e6, residentBytes: process.memoryUsage.rss() }
}
