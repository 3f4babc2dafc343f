// npm test [--unit | --real | --cluster] [part of a file name …]: runs the tests. Last line: N passed, N failed[, N skipped]; exit 1
// when any failed or none passed.
import { globSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { ensureTools, pathWith, TOOL_NAMES, type ToolName } from '../tools/build.ts'
import { progressOn } from '../tools/progress.ts'
import { nodeRefusal } from './node/refusal.ts'
import { sharedNodeVariable, shareNode, startNode } from './node/start.ts'
import { shareControlPlane, sharedClusterVariable, startControlPlane } from './real/control-plane.ts'
import { runCheck } from './runner/check.ts'
import { endAll, type FileResult, runFile } from './runner/run-file.ts'
import {
  count,
  explanation,
  failedFile,
  hasFailed,
  headline,
  skippedFile,
  summary,
  type Totals,
} from './runner/tally.ts'

const root = dirname(import.meta.dirname)
const minute = 60_000
/** Unit tests wait more than they compute; those with real servers share two cores with these; nodes have one for all files. */
const bounds = {
  unit: { atOnce: 4, fileMs: 10 * minute },
  real: { atOnce: 2, fileMs: 10 * minute },
  cluster: { atOnce: 1, fileMs: 20 * minute },
} as const
/** Built when a node is started, and not where none can be. */
const onlyForNodes: readonly ToolName[] = ['kubelet', 'kube-proxy', 'pause', 'shop']
const progress = progressOn(process.stderr)

async function main(args: readonly string[]): Promise<boolean> {
  const only = (kind: string) => !args.some((arg) => arg.startsWith('--')) || args.includes(`--${kind}`)
  const wanted = args.filter((arg) => !arg.startsWith('--'))
  const files = globSync('test/**/*.test.ts', { cwd: root })
    .filter((file) => wanted.length === 0 || wanted.some((part) => file.includes(part)))
    .sort()
  const kindOf = (file: string) => /\.(real|cluster)\.test\.ts$/.exec(file)?.[1] ?? 'unit'
  const filesOf = (kind: string) => (only(kind) ? files.filter((file) => kindOf(file) === kind) : [])
  const totals: Totals = { passed: 0, failed: 0, skipped: 0 }
  const failures: FileResult[] = []
  const note = (result: FileResult) => {
    count(result, totals)
    process.stdout.write(headline(result))
    if (hasFailed(result)) failures.push(result)
  }
  const checked = wanted.length === 0 && only('unit') ? runCheck(root).then(note) : undefined
  await Promise.all([checked, runAll(filesOf('unit'), cleanEnvironment(), bounds.unit, note)])
  await runReal(filesOf('real'), note)
  await runCluster(filesOf('cluster'), note)
  for (const failure of failures) process.stdout.write(explanation(failure))
  process.stdout.write(summary(totals))
  return totals.failed === 0 && totals.passed > 0
}

/** Runs files that need tools and a cluster. When those cannot be had, every one of these files has failed. */
async function runReal(files: readonly string[], note: (result: FileResult) => void): Promise<void> {
  if (files.length === 0) return
  try {
    const tools = await ensureTools(
      TOOL_NAMES.filter((name) => !onlyForNodes.includes(name)),
      { progress },
    )
    const cluster = await startControlPlane({ progress })
    const shared = { [sharedClusterVariable]: shareControlPlane(cluster), PATH: pathWith(tools) }
    await runAll(files, { ...cleanEnvironment(), ...shared }, bounds.real, note)
    await cluster.stop()
  } catch (error) {
    for (const file of files) note(failedFile(file, 'tools and control plane', error))
  }
}

/** Runs files that need a node, one after another. Where no node can run they are skipped; where one should and does not, failed. */
async function runCluster(files: readonly string[], note: (result: FileResult) => void): Promise<void> {
  if (files.length === 0) return
  const refusal = nodeRefusal({ progress })
  if (refusal !== undefined) return files.forEach((file) => void note(skippedFile(file, refusal)))
  try {
    const node = await startNode({ progress })
    const shared = { [sharedNodeVariable]: shareNode(node), PATH: pathWith(node.tools) }
    await runAll(files, { ...cleanEnvironment(), ...shared }, bounds.cluster, note)
    await node.stop()
  } catch (error) {
    for (const file of files) note(failedFile(file, 'the node', error))
  }
}

async function runAll(
  files: readonly string[],
  env: NodeJS.ProcessEnv,
  { atOnce, fileMs }: { readonly atOnce: number; readonly fileMs: number },
  note: (result: FileResult) => void,
): Promise<void> {
  const waiting = [...files]
  const work = async () => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      note(await runFile({ file, env, waitMs: fileMs }))
    }
  }
  await Promise.all(Array.from({ length: atOnce }, work))
}

/**
 * What tests get to see of the environment: nothing that points at a cluster or session of the person who runs them,
 * or at the CI's run: what they publish was not built by it.
 * Node keeps what it compiled for one file for the next ones; where it may not write, it does without.
 */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const { KUBECONFIG, NODE_TEST_CONTEXT, COSIGN_PASSWORD, FORCE_COLOR, GITHUB_ACTIONS, GITLAB_CI, ...rest } =
    process.env
  return { ...rest, NO_COLOR: '1', NODE_COMPILE_CACHE: join(root, 'node_modules', '.cache', 'compiled-tests') }
}

process.chdir(root)
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    endAll()
    process.exit(130)
  })
}
process.exitCode = (await main(process.argv.slice(2))) ? 0 : 1
