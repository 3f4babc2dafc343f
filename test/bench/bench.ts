// npm run bench [-- --json]: how long Waybill's work takes, as ratios to something plain that is measured in the same run.
// Seconds differ between machines, and judge nothing. Exits with 0 unless it cannot measure.
import { parseArgs } from 'node:util'
import { hold, type Result } from './contest.ts'
import { contests } from './contests.ts'

const { values } = parseArgs({ options: { json: { type: 'boolean', default: false } } })
const results: Result[] = []
for (const contest of await contests()) {
  process.stderr.write(`measuring: ${contest.what}\n`)
  results.push(await hold(contest))
}
if (values.json) process.stdout.write(`${JSON.stringify({ node: process.versions.node, results }, null, 2)}\n`)
else
  for (const { what, against, ratio, oursMs, theirsMs, rounds } of results)
    process.stdout.write(
      `${ratio.toFixed(1).padStart(6)} ×  ${what}\n          against ${against} (${shown(oursMs)} to ${shown(theirsMs)}; medians of ${rounds} rounds)\n`,
    )

function shown(ms: number): string {
  return ms < 1 ? `${(ms * 1000).toFixed(0)} µs` : `${ms.toFixed(1)} ms`
}
