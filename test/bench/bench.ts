// npm run bench [-- [--json] [--profile] [NAME …]]: how long Waybill's work takes, as ratios to something plain that is measured in the same run,
// and how much of it there is. Seconds differ between machines, and judge nothing, but where a time was promised. What should not be passed
// stands beside each figure, and a figure that passes it is marked; it exits with 0 unless it cannot measure. NAMEs: `packager`, and those of
// cluster/scenarios.ts, which start a real control plane; without one, everything. --profile adds which requests were made.
import { parseArgs } from 'node:util'
import { runScenarios, SCENARIOS } from './cluster/scenarios.ts'
import { hold, type Result } from './contest.ts'
import { contests } from './contests.ts'
import { type Count, memoryOfPacking, requestsOfPublishing } from './counts.ts'
import { shopObjects } from './objects.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: 'boolean', default: false }, profile: { type: 'boolean', default: false } },
})
const names = ['packager', ...SCENARIOS]
const wanted = positionals.length === 0 ? names : positionals
const unknown = wanted.filter((name) => !names.includes(name))
if (unknown.length > 0) throw new Error(`${unknown.join(', ')}: there are ${names.join(', ')}`)

const results: Result[] = []
const counts: Count[] = []
const profiles: string[] = []
const measuring = (what: string) => process.stderr.write(`measuring: ${what}\n`)
if (wanted.includes('packager')) {
  for (const contest of await contests()) {
    measuring(contest.what)
    results.push(await hold(contest))
  }
  measuring('memory and requests of the packager')
  counts.push(memoryOfPacking(shopObjects(10_000)), ...(await requestsOfPublishing(shopObjects(1_000))))
}
await runScenarios(wanted, {
  begins: measuring,
  found: ({ figures, profile }) => {
    counts.push(...figures)
    for (const figure of figures) process.stderr.write(`  ${shownCount(figure)}\n`)
    if (profile !== undefined) profiles.push(profile)
  },
})
if (values.json) process.stdout.write(`${JSON.stringify({ node: process.versions.node, results, counts }, null, 2)}\n`)
else {
  for (const { what, against, ratio, oursMs, theirsMs, rounds, atMost } of results)
    process.stdout.write(
      `${ratio.toFixed(1).padStart(6)} ×  ${what}${bounded(ratio, atMost)}\n          against ${against} (${shown(oursMs)} to ${shown(theirsMs)}; medians of ${rounds} rounds)\n`,
    )
  for (const count of counts) process.stdout.write(`${shownCount(count)}\n`)
}
if (values.profile) process.stdout.write(`\n${profiles.join('\n\n')}\n`)

function shownCount({ what, count, unit, atMost }: Count): string {
  return `${count.toFixed(count < 10 ? 2 : 1).padStart(7)} ${unit.padEnd(2)}  ${what}${bounded(count, atMost)}`
}

function bounded(figure: number, atMost: number | undefined): string {
  if (atMost === undefined) return ''
  return figure <= atMost ? `; at most ${atMost}` : `; MORE THAN ${atMost}`
}

function shown(ms: number): string {
  return ms < 1 ? `${(ms * 1000).toFixed(0)} µs` : `${ms.toFixed(1)} ms`
}
