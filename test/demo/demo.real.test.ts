import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { writeKubeconfig } from '../real/cluster.ts'
import { field, startControlPlane } from '../real/control-plane.ts'
import { scratchDirectory } from '../real/process.ts'
import { startRegistry } from '../real/registry.ts'

const demo = join(import.meta.dirname, '..', '..', 'examples', 'demo', 'demo.ts')
const steps = 9

async function runDemo(args: readonly string[]): Promise<{ readonly code: number | null; readonly output: string }> {
  const child = spawn(process.execPath, [demo, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  }
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  return { code, output }
}

test('the demo brings up a cluster and a registry and sees every step happen', async () => {
  const { code, output } = await runDemo([])
  assert.equal(code, 0, output)
  assert.match(output, new RegExp(`All ${steps} steps happened`))
})

test('the demo on a given cluster and registry sees the same, and leaves the cluster as it was', async (t) => {
  const cluster = await startControlPlane()
  t.after(cluster.stop)
  const registry = await startRegistry({ kind: 'referrers' })
  t.after(registry.stop)
  const { code, output } = await runDemo([
    '--kubeconfig',
    cluster.kubeconfig,
    '--registry',
    registry.host,
    '--plain-http',
  ])
  assert.equal(code, 0, output)
  assert.match(output, new RegExp(`All ${steps} steps happened`))
  const names = async (path: string) => {
    const items = field((await cluster.api('GET', path)).body, 'items')
    return Array.isArray(items) ? items.map((item: unknown) => String(field(item, 'metadata', 'name'))) : []
  }
  const namespaces = await names('/api/v1/namespaces')
  assert.deepEqual(
    namespaces.filter((name) => name === 'shop' || name === 'waybill-system'),
    [],
  )
  const crds = await names('/apis/apiextensions.k8s.io/v1/customresourcedefinitions')
  assert.deepEqual(
    crds.filter((name) => name.endsWith('waybill.dev')),
    [],
  )
})

test('the demo on a cluster that is not there says so, and how to go on', async () => {
  const missing = await runDemo(['--kubeconfig', '/nonexistent/kubeconfig'])
  assert.equal(missing.code, 1)
  assert.match(missing.output, /CLUSTER_CONFIG: there is no kubeconfig \/nonexistent\/kubeconfig\n +\S/)
  const kubeconfig = join(scratchDirectory('demo'), 'kubeconfig')
  writeKubeconfig(kubeconfig, { server: 'https://127.0.0.1:1', caFile: '' }, 'nobody', 'token')
  const unreachable = await runDemo(['--kubeconfig', kubeconfig])
  assert.equal(unreachable.code, 1)
  assert.match(unreachable.output, /CLUSTER_UNREACHABLE: .*refused.*\n +\S/)
  assert.doesNotMatch(`${missing.output}${unreachable.output}`, /\n\s+at /)
})
