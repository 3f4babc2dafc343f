import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { readLayer } from '../../../contract/artifact/layer.ts'
import { type Fault, WaybillError } from '../../../contract/errors.ts'
import { checkCommit, packCommit, renderCommit } from '../../../packager/pack-commit.ts'
import { ensureTools } from '../../../tools/build.ts'
import { type Files, optionsFor, packageFile, repositoryOf, tempFolder, writeFiles } from '../repository.ts'

const { helm } = await ensureTools(['helm'])
const env = { PATH: process.env.PATH, WAYBILL_HELM: helm }

const ENVIRONMENT = 'prod: {helm: {chart: charts/shop, values: [deploy/prod.yaml], release: shop, namespace: shop}}'
const PACKAGE = packageFile({ environments: ENVIRONMENT, extra: '  tools: {helm: 4.3.1}\n' })
const CHART = 'apiVersion: v2\nname: shop\nversion: 1.0.0\n'
const CONFIG = `apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}-config
data:
  greeting: {{ .Values.greeting | quote }}
`

/** A package of one chart, `charts/shop`, whose templates these are. */
function chart(templates: Files = { 'config.yaml': CONFIG }, files: Files = {}): Files {
  const inChart = Object.entries(templates).map(([name, content]) => [`charts/shop/templates/${name}`, content])
  return {
    'waybill.yaml': PACKAGE,
    'charts/shop/Chart.yaml': CHART,
    'charts/shop/values.yaml': 'greeting: Hello\n',
    'deploy/prod.yaml': 'greeting: Hello from production\n',
    ...Object.fromEntries(inChart),
    ...files,
  }
}

async function objectsOf(files: Files): Promise<readonly Record<string, unknown>[]> {
  const { rendered } = await renderCommit(optionsFor(repositoryOf(files), { env }))
  return (rendered.environments.prod ?? []).map(({ object }) => object)
}

async function faultsOf(files: Files): Promise<readonly Fault[]> {
  try {
    await checkCommit(optionsFor(repositoryOf(files), { env }))
    return []
  } catch (error) {
    assert.ok(error instanceof WaybillError && error.faults.length > 0, `${error}`)
    return error.faults
  }
}

const brief = (faults: readonly Fault[]) =>
  faults.map(({ code, file, line }) => `${file}${line === undefined ? '' : `:${line}`} ${code}`)

test('a chart is rendered with its values, its release and its namespace', async () => {
  assert.deepEqual(await objectsOf(chart()), [
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'shop-config', namespace: 'shop' },
      data: { greeting: 'Hello from production' },
    },
  ])
})
