import assert from 'node:assert/strict'
import { cpSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { isKubeObject, type KubeObject } from '../../contract/artifact/objects.ts'
import { ensureTools } from '../../tools/build.ts'
import { waybillHere } from '../cli/command.ts'
import { commitAll, git, tempFolder } from '../packager/repository.ts'
import { field, useControlPlane } from '../real/control-plane.ts'

const { kustomize } = await ensureTools(['kustomize'])
const cluster = await useControlPlane()

/** A Git repository of an example. */
function exampleRepository(name: string): string {
  const folder = tempFolder()
  cpSync(join(import.meta.dirname, '../../examples', name), folder, { recursive: true })
  git(folder, 'init', '-q', '-b', 'main')
  commitAll(folder)
  return folder
}

async function waybill(...args: readonly string[]): Promise<string> {
  const ran = await waybillHere(args, { env: { WAYBILL_KUSTOMIZE: kustomize } })
  assert.equal(ran.status, 0, `${args.join(' ')}: ${ran.stderr}${ran.stdout}`)
  return ran.stdout
}

/** Checks and packs one package without a warning; gives its objects, as the artifact has them. */
async function packed(repo: string, path: string): Promise<readonly KubeObject[]> {
  const args = ['--repo', repo, '--path', path]
  const checked: unknown = JSON.parse(await waybill('check', ...args, '--output', 'json'))
  assert.deepEqual(field(checked, 'warnings'), [])
  const out = join(tempFolder(), 'packed')
  await waybill('pack', ...args, '--out', out)
  const shown: unknown = JSON.parse(await waybill('show', out, '--env', 'production', '--output', 'json'))
  const items: unknown = field(shown, 'items')
  assert.ok(Array.isArray(items) && items.length > 0)
  return items.filter(isKubeObject)
}

/** A real API server takes the objects, written or only tried. */
async function applies(objects: readonly KubeObject[], ...flags: readonly string[]): Promise<void> {
  const file = join(tempFolder(), 'objects.json')
  writeFileSync(file, JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }))
  await cluster.runKubectl(['apply', '--server-side', '--validate=strict', ...flags, '-f', file])
}

test('the add-on is one release: its CRD, its operator, and an object of its kind, which a real API server takes', async (t) => {
  const objects = await packed(exampleRepository('addon'), '.')
  const first = objects.filter(({ kind }) => ['Namespace', 'CustomResourceDefinition'].includes(kind))
  assert.deepEqual(first.map(({ kind }) => kind).sort(), ['CustomResourceDefinition', 'Namespace'])
  t.after(async () => {
    for (const { kind, metadata } of first) await cluster.runKubectl(['delete', '--wait=false', kind, metadata.name])
  })
  await applies(first)
  await cluster.runKubectl(['wait', '--for=condition=Established', '--timeout=60s', 'crd', '--all'])
  const others = objects.filter((object) => !first.includes(object))
  assert.ok(others.some(({ kind }) => kind === 'BackupSchedule'))
  await applies(others, '--dry-run=server')
})

test('the monorepo holds four packages, and a real API server takes every one of them', async (t) => {
  const repo = exampleRepository('monorepo')
  const names = readdirSync(join(repo, 'packages')).sort()
  assert.deepEqual(names, ['accounts', 'catalogue', 'checkout', 'storefront'])
  await cluster.runKubectl(['create', 'namespace', 'acme'])
  t.after(() => cluster.runKubectl(['delete', '--wait=false', 'namespace', 'acme']))
  for (const name of names) {
    const objects = await packed(repo, `packages/${name}`)
    assert.ok(objects.every(({ metadata }) => metadata.name.startsWith(name)))
    await applies(objects, '--dry-run=server')
  }
})
