import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { field, startControlPlane } from '../real/control-plane.ts'
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
