#!/usr/bin/env node
// The `waybill` command. Plain JavaScript, because Node refuses to strip types under node_modules, and so that an older
// Node can still read it: there it starts again with the Node that came as a dependency, or says what is needed.
import { spawn } from 'node:child_process'
import { existsSync, readFileSync, writeSync } from 'node:fs'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8'

const here = dirname(fileURLToPath(import.meta.url))
const { version, engines } = JSON.parse(readFileSync(join(here, '..', 'package.json'), 'utf8'))
const [major, minor] = engines.node.match(/\d+/g).map(Number)

// The first process of a container is ended only by signals that it listens to; until the program has its own answer, this is it.
if (process.pid === 1)
  for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => process.exit(128 + constants.signals[signal]))

if (process.argv[2] === '--version' && process.argv.length === 3 && said(`${version}\n`)) {
  // Scripts ask often, and reading everything else would take several times as long.
} else if (isNewEnough(process.versions.node)) {
  if (process.argv[2] === 'puller') boundHeap()
  // A checkout has its sources; a package has what was compiled from them.
  const { main } = await import(existsSync(join(here, 'main.ts')) ? './main.ts' : '../dist/cli/main.js')
  await main(version)
} else {
  const node = findNode()
  if (node === undefined || process.env.WAYBILL_STARTED_AGAIN === '1') {
    console.error(`error: waybill needs Node ${major}.${minor} or newer; this is Node ${process.versions.node}.
hint: install a newer Node, or run \`npm install\` without --omit=optional, which brings one along.`)
    process.exitCode = 1
  } else startAgain(node)
}

/**
 * A process that runs for months: V8 would let its heap grow far beyond what is in use, to collect less often. The young
 * generation begins as large as it may become, since it can only be told how to grow: smaller, and a quarter of the time that many Deliveries take goes into
 * collecting it.
 */
function boundHeap() {
  const youngBytes = () => getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space').space_size
  for (let kept = []; youngBytes() < 4 * 2 ** 20 && kept.length < 1_000; )
    kept.push(new Array(10_000).fill(kept.length))
  for (const flag of ['--semi-space-growth-factor=1', '--heap-growing-percent=60']) setFlagsFromString(flag)
}

/** False when it cannot be written: what follows then says why. */
function said(text) {
  try {
    return writeSync(1, text) === text.length
  } catch {
    return false
  }
}

function isNewEnough(text) {
  const [a, b] = text.split('.').map(Number)
  return a > major || (a === major && b >= minor)
}

function findNode() {
  const name = `node-${process.platform}-${process.arch}`
  for (let folder = here; ; folder = dirname(folder)) {
    const node = join(folder, 'node_modules', name, 'bin', 'node')
    if (existsSync(node)) return node
    if (dirname(folder) === folder) return undefined
  }
}

function startAgain(node) {
  const env = { ...process.env, WAYBILL_STARTED_AGAIN: '1' }
  const child = spawn(node, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], { stdio: 'inherit', env })
  const pass = (signal) => child.kill(signal)
  // A terminal sends Ctrl-C to the child as well: wait for it, rather than end before it.
  process.on('SIGINT', () => {})
  for (const signal of ['SIGTERM', 'SIGHUP', 'SIGUSR2']) process.on(signal, pass)
  child.on('error', (error) => {
    console.error(`error: ${node} does not start: ${error.message}`)
    process.exitCode = 1
  })
  child.on('exit', (code, signal) => process.exit(signal === null ? code : 128 + constants.signals[signal]))
}
