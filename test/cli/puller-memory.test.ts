import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runCommand, WAYBILL } from './command.ts'

/** Told at the end of a process, after it made garbage of some tens of megabytes: what it has for new objects, in megabytes. */
const PROBE = `data:text/javascript,${encodeURIComponent(`
  import { getHeapSpaceStatistics } from 'node:v8'
  process.on('exit', () => {
    let kept = []
    for (let i = 0; i < 1e6; i++) {
      if (i % 2000 === 0) kept = []
      kept.push({ i })
    }
    const { space_size } = getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space')
    process.stderr.write('new space: ' + Math.round(space_size / 1e6) + ' MB')
  })
`)}`

async function newSpaceOf(verb: string): Promise<number> {
  const ran = await runCommand(process.execPath, ['--import', PROBE, WAYBILL, verb, '--help'])
  return Number(/new space: (\d+) MB/.exec(ran.stderr)?.[1])
}

test('the puller takes little memory for what is soon gone; what ends soon takes what makes it quick', async () => {
  assert.ok((await newSpaceOf('puller')) <= 8)
  assert.ok((await newSpaceOf('pack')) > 8)
})
