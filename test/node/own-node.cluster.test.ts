import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { eventually, field } from '../real/cluster.ts'
import { scratchDirectory } from '../real/process.ts'
import { cgroupMounts } from './cgroups.ts'
import { removeForgotten } from './forgotten.ts'
import { shopImages } from './images.ts'
import { type RealNode, startNode } from './start.ts'

type Trace = { readonly folder: string; readonly network: string }

/** What a node could leave on the machine: its folder, links, mounts, and processes in its network or with its folder in their arguments. */
function leftOf({ folder, network }: Trace) {
  return {
    folder: existsSync(folder),
    links: readdirSync('/sys/class/net').filter((link) => !linksBefore.includes(link)),
    mounts: readFileSync('/proc/self/mounts', 'utf8')
      .split('\n')
      .filter((line) => line.includes(folder)),
    processes: [...runningWith(folder), ...processes().filter((pid) => networkOf(pid) === network)],
  }
}

const linksBefore = readdirSync('/sys/class/net')

const processes = () => readdirSync('/proc').filter((pid) => /^\d+$/.test(pid))

function runningWith(text: string): readonly string[] {
  return processes()
    .map(commandLine)
    .filter((line) => line.includes(text))
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
  } catch {
    // It has ended.
    return ''
  }
}

function networkOf(pid: string | number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`)
  } catch {
    // It has ended.
    return undefined
  }
}

const cgroupsOf = (pid: number | undefined) =>
  cgroupMounts().flatMap((mount) => readdirSync(mount).filter((name) => name.startsWith(`waybill-node-${pid}-`)))

const nothing = { folder: false, links: [], mounts: [], processes: [] }
const traceOf = ({ folder, pid }: RealNode): Trace => ({ folder, network: networkOf(pid) ?? '' })

/** A pod that answers with its version, and what asks it from another pod. */
async function runShop(node: RealNode, image: string): Promise<void> {
  await node.kubectl(['run', 'shop', '--image', image, '--port', '8080', '--expose'])
  await node.kubectl(['wait', '--for=condition=Ready', 'pod/shop', '--timeout=90s'])
}

/** Whether the API server answers in the network of the node's pod, at the address that pods know. */
async function podReachesApiServer(node: RealNode): Promise<boolean> {
  const pid = processes().find(isPodOf)
  assert.ok(pid, 'no process of a pod')
  const script = `fetch('https://10.96.0.1/version', { signal: AbortSignal.timeout(2000) }).catch(() => process.exit(1))`
  const env = { NODE_TLS_REJECT_UNAUTHORIZED: '0' }
  return (
    (await node.run('nsenter', [`--net=/proc/${pid}/ns/net`, process.execPath, '-e', script], { env })).status === 0
  )
}

function isPodOf(pid: string): boolean {
  try {
    const ofNode = readFileSync(`/proc/${pid}/cgroup`, 'utf8').includes(`waybill-node-${process.pid}-`)
    return ofNode && readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith('/program')
  } catch {
    return false
  }
}

test('a node of its own', async (t) => {
  const registryFolder = scratchDirectory('registry')
  mkdirSync(registryFolder, { recursive: true })
  const node = await startNode({ registryFolder })
  const images = await shopImages(node)
  const trace = traceOf(node)
  await runShop(node, images.first)

  await t.test('an API server that is killed and started again finds the pod still running', async () => {
    const startedAt = () =>
      node.kubectl(['get', 'pod', 'shop', '-o', 'jsonpath={.status.containerStatuses[0].state.running}'])
    const before = await startedAt()
    const gone = node.restartApiServer({ pauseMs: 3_000 })
    await eventually('no API server', async () => (await node.run('kubectl', ['get', '--raw', '/readyz'])).status !== 0)
    await gone
    assert.equal(await startedAt(), before)
  })

  await t.test('a registry that is stopped answers nobody, and serves the same again once it is started', async () => {
    await node.stopRegistry()
    await assert.rejects(node.get(`https://${node.registry}/v2/`))
    await node.startRegistry()
    const { body } = await node.get(`https://${node.registry}/v2/shop/tags/list`)
    assert.deepEqual(JSON.parse(body), { name: 'shop', tags: ['1.0.0', '1.1.0', '1.2.0'] })
  })

  await t.test(
    'without its network, neither kubelet nor a pod reaches the API server, and both do again afterwards',
    async () => {
      const ready = async () => {
        const found: unknown = JSON.parse(await node.kubectl(['get', 'node', 'node', '-o', 'json']))
        const conditions = field(found, 'status', 'conditions')
        return Array.isArray(conditions) && conditions.find((one) => one.type === 'Ready')?.status
      }
      assert.equal(await podReachesApiServer(node), true)
      await node.loseNetwork(async () => {
        await eventually('the pod is cut off', async () => !(await podReachesApiServer(node)))
        await assert.rejects(node.get(`https://${node.registry}/v2/`))
        await eventually('the node is given up', async () => (await ready()) === 'Unknown', 180_000)
      })
      await eventually('the node is back', async () => (await ready()) === 'True', 60_000)
      await eventually('the pod is back', () => podReachesApiServer(node), 60_000)
    },
  )

  await t.test('stopping it leaves no process, link, mount, cgroup or folder', async () => {
    assert.notDeepEqual(leftOf(trace), nothing)
    const cgroups = cgroupsOf(process.pid)
    assert.notDeepEqual(cgroups, [])
    const sweep = `(await import(${JSON.stringify(join(import.meta.dirname, 'forgotten.ts'))})).removeForgotten()`
    const elsewhere = [
      '--pid',
      '--fork',
      '--mount',
      '--mount-proc',
      process.execPath,
      '--input-type=module',
      '-e',
      sweep,
    ]
    assert.equal(spawnSync('unshare', elsewhere).status, 0, 'where our process cannot be seen')
    assert.deepEqual(cgroupsOf(process.pid), cgroups)
    await node.stop()
    assert.deepEqual(leftOf(trace), nothing)
    assert.deepEqual(cgroupsOf(process.pid), [])
  })

  await t.test('a new node on the same registry is a new cluster that runs the same images', async (t) => {
    const next = await startNode({ registryFolder })
    t.after(() => next.stop())
    assert.equal((await next.run('kubectl', ['get', 'pod', 'shop'])).status, 1)
    await runShop(next, images.first)
  })
})

/** A process with a node of its own, which is up. */
async function startElsewhere() {
  const text = `const { startNode } = await import(${JSON.stringify(join(import.meta.dirname, 'start.ts'))})
    const { readlinkSync } = await import('node:fs')
    const { folder, pid } = await startNode()
    console.log(JSON.stringify({ folder, network: readlinkSync('/proc/' + pid + '/ns/net') }))
    setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', text], { stdio: ['ignore', 'pipe', 'inherit'] })
  const { value } = await createInterface({ input: child.stdout })[Symbol.asyncIterator]().next()
  const trace = parseTrace(String(value))
  assert.notDeepEqual(leftOf(trace), nothing)
  return { child, trace }
}

test('a node whose test is killed leaves nothing', async () => {
  const { child, trace } = await startElsewhere()
  child.kill('SIGKILL')
  await eventually(
    'folder and cgroups are gone',
    async () => !existsSync(trace.folder) && cgroupsOf(child.pid).length === 0,
  )
  assert.deepEqual(leftOf(trace), nothing)
})

test('a node whose test is killed with all that cleans up after it ends, and the next one removes what it left', async () => {
  const { child, trace } = await startElsewhere()
  const supervisor = Number(readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim().split(' ')[0])
  assert.match(readFileSync(`/proc/${supervisor}/cmdline`, 'utf8'), /supervisor\.ts/)
  process.kill(supervisor, 'SIGKILL')
  child.kill('SIGKILL')
  await eventually('every process is gone', async () => leftOf(trace).processes.length === 0)
  assert.notDeepEqual(cgroupsOf(child.pid), [])
  removeForgotten()
  assert.deepEqual(leftOf(trace), nothing)
  assert.deepEqual(cgroupsOf(child.pid), [])
})

function parseTrace(line: string): Trace {
  return JSON.parse(line) as Trace
}
