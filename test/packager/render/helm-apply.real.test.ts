import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { renderCommit } from '../../../packager/pack-commit.ts'
import { ensureTools } from '../../../tools/build.ts'
import { field, useControlPlane } from '../../real/control-plane.ts'
import { commitAll, git, optionsFor, packageFile, tempFolder, writeFiles } from '../repository.ts'

const { helm } = await ensureTools(['helm'])
const cluster = await useControlPlane()
const shop = fileURLToPath(new URL('../../../examples/shop/charts/shop', import.meta.url))

/** What readers of YAML take differently, and what helm sorts, splits and leaves out. */
const AWKWARD = `# a comment
apiVersion: v1
kind: ConfigMap
metadata:
  name: "{{ .Release.Name }}-odd"
  namespace: ""
data: {octal: "0644", word: "yes", text: "a\\n---\\nb # Source: c", "on": x, date: "2026-11-21"}
binaryData: {a: aGk=}
---
---
apiVersion: v1
kind: Secret
metadata: {name: {{ .Release.Name }}-secret}
stringData: {a: hunter2, b: {{ .Release.Namespace }}}
data: {a: bm8=}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: {{ .Release.Name }}-odd, labels: &labels {app: odd}}
spec:
  selector: {matchLabels: *labels}
  template:
    metadata: {labels: *labels}
    spec:
      automountServiceAccountToken: no
      containers: [{name: a, image: {{ .Values.image }}, args: ["1e3", '0x10']}]
      volumes: [{name: s, secret: {secretName: s, defaultMode: 0440}}]
---
apiVersion: v1
kind: List
items:
  - {apiVersion: v1, kind: ConfigMap, metadata: {name: first}}
  - {apiVersion: v1, kind: ConfigMap, metadata: {name: second, namespace: "{{ .Release.Namespace }}"}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: {{ .Release.Namespace }}-reader}
rules: [{apiGroups: [""], resources: [pods], verbs: [get]}]
`

test('what a chart is packed as is what helm renders and kubectl puts into its namespace', async () => {
  const namespace = await cluster.freshNamespace('chart')
  const folder = tempFolder()
  cpSync(shop, join(folder, 'charts/shop'), { recursive: true })
  writeFiles(folder, {
    'waybill.yaml': packageFile({
      environments: `prod: {helm: {chart: charts/shop, values: [values.yaml], release: shop, namespace: ${namespace}}}`,
      extra: '  tools: {helm: 4.3.1}\n',
    }),
    'values.yaml': 'greeting: Hello from production\nreplicas: 2\n',
    'charts/shop/templates/odd.yaml': AWKWARD,
  })
  git(folder, 'init', '-q', '-b', 'main')
  commitAll(folder)
  const args = ['template', 'shop', 'charts/shop', '-f', 'values.yaml', '-n', namespace, '--skip-tests']
  const rendered = execFileSync(helm, args, { cwd: folder, env: { HOME: '/nonexistent' }, encoding: 'utf8' })
  const ours = await renderCommit(optionsFor(folder, { env: { PATH: process.env.PATH, WAYBILL_HELM: helm } }))
  const items = (ours.rendered.environments.prod ?? []).map(({ object }) => object)

  const expected = await dryRun(rendered, namespace)
  assert.equal(expected.length, 13)
  assert.deepEqual(await dryRun(JSON.stringify({ apiVersion: 'v1', kind: 'List', items })), expected)
})

const SERVER = [
  ...[
    'uid',
    'controller-uid',
    'batch.kubernetes.io/controller-uid',
    'creationTimestamp',
    'resourceVersion',
    'managedFields',
    'clusterIP',
    'clusterIPs',
  ],
  'kubectl.kubernetes.io/last-applied-configuration',
]

/** What an API server would make of these objects, by name, without what it and Waybill set on their own. */
async function dryRun(input: string, namespace?: string): Promise<readonly unknown[]> {
  const into = namespace === undefined ? [] : ['-n', namespace]
  const args = ['apply', '--dry-run=server', '--validate=strict', '-o', 'json', ...into, '-f', '-']
  const output = await cluster.runKubectl(args, { input })
  const items: unknown = field(JSON.parse(output), 'items')
  assert.ok(Array.isArray(items))
  const added = (key: string) => SERVER.includes(key) || key.startsWith('waybill.dev/')
  const own = JSON.stringify(items, (key, value: unknown) => (added(key) ? undefined : value))
  const parsed: unknown = JSON.parse(own)
  assert.ok(Array.isArray(parsed))
  const nameOf = (item: unknown) => `${field(item, 'kind')} ${field(item, 'metadata', 'name')}`
  return parsed.toSorted((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1))
}
