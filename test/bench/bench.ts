// npm run bench [-- --json]: how long Waybill's work takes, as ratios to something plain that is measured in the same run.
// Seconds differ between machines, and judge nothing. What should not be passed stands beside each figure, and a figure that passes it is
// marked; it exits with 0 unless it cannot measure.
import { parseArgs } from 'node:util'
import { hold, type Result } from './contest.ts'
import { contests } from './contests.ts'
import { type Count, memoryOfPacking, requestsOfPublishing } from './counts.ts'
import { shopObjects } from './objects.ts'

const { values } = parseArgs({ options: { json: { type: 'boolean', default: false } } })
const results: Result[] = []
for (const contest of await contests()) {
  process.stderr.write(`measuring: ${contest.what}\n`)
  results.push(await hold(contest))
}
process.stderr.write('counting\n')
const counts: readonly Count[] = [
  memoryOfPacking(shopObjects(10_000)),
  ...(await requestsOfPublishing(shopObjects(1_000))),
]
if (values.json) process.stdout.write(`${JSON.stringify({ node: process.versions.node, results, counts }, null, 2)}\n`)
else {
  for (const { what, against, ratio, oursMs, theirsMs, rounds, atMost } of results)
    process.stdout.write(
      `${ratio.toFixed(1).padStart(6)} ×  ${what}${bounded(ratio, atMost)}\n          against ${against} (${shown(oursMs)} to ${shown(theirsMs)}; medians of ${rounds} rounds)\n`,
    )
  for (const { what, count, unit, atMost } of counts)
    process.stdout.write(`${count.toFixed(1).padStart(6)}    ${what} ${unit}${bounded(count, atMost)}\n`)
}

function bounded(figure: number, atMost: number | undefined): string {
  if (atMost === undefined) return ''
  return figure <= atMost ? `; at most ${atMost}` : `; MORE THAN ${atMost}`
}

function shown(ms: number): string {
  return ms < 1 ? `${(ms * 1000).toFixed(0)} µs` : `${ms.toFixed(1)} ms`
}
