// npm run demo: a commit travels from a Git repository through a registry to a Kubernetes API server, and back again.
// Exits with 0 only when every step was seen to happen.
import { WaybillError } from '../../contract/errors.ts'
import { progressOn } from '../../tools/progress.ts'
import { cleanUpCluster, refuseUsedCluster } from './clean-up.ts'
import { type Narrator, narratorTo } from './narrator.ts'
import { type DemoOptions, HELP, parseDemoOptions } from './options.ts'
import type { DemoPuller } from './puller.ts'
import { tellStory } from './story.ts'
import { createWorld, type World } from './world.ts'

async function main(args: readonly string[]): Promise<number> {
  const { stdout, stderr, env } = process
  const colour = stdout.isTTY && env.NO_COLOR === undefined
  const narrator = narratorTo((text) => void stdout.write(text), colour)
  let options: DemoOptions
  try {
    options = parseDemoOptions(args)
  } catch (error) {
    stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${HELP}`)
    return 2
  }
  if (options.help) {
    stdout.write(HELP)
    return 0
  }
  return run(options, narrator)
}

async function run(options: DemoOptions, narrator: Narrator): Promise<number> {
  let world: World | undefined
  let puller: DemoPuller | undefined
  let clean = false
  try {
    narrator.step('What it takes: a cluster and a registry')
    world = await createWorld(options, narrator, progressOn(process.stderr))
    if (world.clusterGiven) await refuseUsedCluster(world)
    clean = world.clusterGiven && !options.keep
    const story = tellStory(world, (started) => {
      puller = started
    })
    await Promise.race([story, interrupted()])
    const { steps, seen } = narrator.totals()
    process.stdout.write(`\nAll ${steps} steps happened, and ${seen} things were seen that had to be.\n`)
    if (options.keep) await keepRunning(world)
    return 0
  } catch (error) {
    world?.shell.stop()
    explain(error, puller)
    return error instanceof Interrupted ? 130 : 1
  } finally {
    await puller?.stop()
    if (world !== undefined && clean) await cleanUpCluster(world)
  }
}

async function keepRunning({ kubeconfig, artifacts, clusterGiven }: World): Promise<void> {
  const end = clusterGiven ? 'ends the puller; what was made in the cluster stays there' : 'takes all of it down'
  process.stdout.write(`\nEverything is left running. Ctrl-C here ${end}.\n`)
  process.stdout.write(`  export KUBECONFIG=${kubeconfig}\n  kubectl -n shop get all\n  npx waybill get -n shop\n`)
  process.stdout.write(`  the artifacts are in ${artifacts}\n`)
  const hold = setInterval(() => {}, 60_000)
  await interrupted().catch(() => {})
  clearInterval(hold)
}

/** Rejects when somebody presses Ctrl-C, so that what the demo made in a given cluster is still removed. */
function interrupted(): Promise<never> {
  return new Promise((_resolve, reject) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const)
      process.once(signal, () => reject(new Interrupted('interrupted')))
  })
}

/** Ctrl-C, or SIGTERM. */
class Interrupted extends Error {}

function explain(error: unknown, puller: DemoPuller | undefined): void {
  const lines =
    error instanceof WaybillError
      ? [`${error.code}: ${error.message}`, error.hint]
      : [error instanceof Error ? error.message : String(error)]
  process.stderr.write(`\n✖ ${lines.join('\n  ')}\n`)
  if (puller === undefined || error instanceof Interrupted) return
  try {
    process.stderr.write(`  the puller's last words:\n${puller.logTail().replaceAll(/^/gm, '    ')}\n`)
  } catch {
    // it never wrote any
  }
}

// What was interrupted may still be waiting for something.
process.exit(await main(process.argv.slice(2)))
