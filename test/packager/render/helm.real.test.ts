import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { readLayer } from '../../../contract/artifact/layer.ts'
import { type Fault, WaybillError } from '../../../contract/errors.ts'
import { checkCommit, packCommit, renderCommit } from '../../../packager/pack-commit.ts'
import { ensureTools } from '../../../tools/build.ts'
import { CONFIG_MAP, type Files, optionsFor, packageFile, repositoryOf, tempFolder, writeFiles } from '../repository.ts'

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

/** The faults of charts of one template each, in one commit; by template. */
async function faultsOfEach(templates: readonly string[], values: string): Promise<readonly (readonly Fault[])[]> {
  const environments = templates.map(
    (_, i) => `e${i}: {helm: {chart: charts/e${i}, values: [values.yaml], release: shop, namespace: shop}}`,
  )
  const charts = templates.flatMap((template, i) => [
    [`charts/e${i}/Chart.yaml`, CHART],
    [`charts/e${i}/templates/a.yaml`, template],
  ])
  const faults = await faultsOf({
    'waybill.yaml': PACKAGE.replace(ENVIRONMENT, environments.join(', ')),
    'values.yaml': values,
    ...Object.fromEntries(charts),
  })
  return templates.map((_, i) => faults.filter(({ environment }) => environment === `e${i}`))
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

test('later values win over earlier ones, and those over the chart’s own', async () => {
  const environment = ENVIRONMENT.replace('[deploy/prod.yaml]', '[deploy/prod.yaml, "deploy/a, \\"b\\".yaml"]')
  const files = { 'waybill.yaml': PACKAGE.replace(ENVIRONMENT, environment), 'deploy/a, "b".yaml': 'greeting: Last\n' }
  const [object] = await objectsOf(chart(undefined, files))
  assert.deepEqual(object?.data, { greeting: 'Last' })
})

test('a chart sees the Kubernetes version and the API versions that waybill.yaml pins', async () => {
  const text = `${CONFIG.replace('greeting: {{ .Values.greeting | quote }}', '')}  version: {{ .Capabilities.KubeVersion.Version }}
  monitoring: {{ .Capabilities.APIVersions.Has "monitoring.coreos.com/v1/PodMonitor" | quote }}
  other: {{ .Capabilities.APIVersions.Has "example.com/v1" | quote }}
  helm: {{ .Capabilities.HelmVersion.Version }}
`
  const cluster = '{version: "1.34.2", apiVersions: [monitoring.coreos.com/v1, monitoring.coreos.com/v1/PodMonitor]}'
  const files = { 'waybill.yaml': PACKAGE.replace('{version: "1.36"}', cluster) }
  const [object] = await objectsOf(chart({ 'config.yaml': text }, files))
  assert.deepEqual(object?.data, { version: 'v1.34.2', monitoring: 'true', other: 'false', helm: 'v4.3.1' })
})

test('a chart that is meant for another Kubernetes is refused', async () => {
  const faults = await faultsOf(chart(undefined, { 'charts/shop/Chart.yaml': `${CHART}kubeVersion: ">=1.37.0-0"\n` }))
  assert.deepEqual(brief(faults), ['charts/shop/Chart.yaml RENDER_FAILED'])
  assert.match(String(faults[0]?.message), /kubeVersion: >=1\.37\.0-0 which is incompatible with Kubernetes v1\.36/)
})

const SUB = {
  'Chart.yaml': 'apiVersion: v2\nname: cache\nversion: 0.2.1\n',
  'values.yaml': 'greeting: From the cache\n',
}
const subchart = (folder: string, extra: Files = {}): Files =>
  Object.fromEntries(
    Object.entries({ ...SUB, 'templates/config.yaml': CONFIG.replace('-config', '-cache'), ...extra }).map(
      ([name, content]) => [`${folder}/${name}`, content],
    ),
  )
const hooked = (types: string) => `apiVersion: v1
kind: ConfigMap
metadata:
  name: hook
  annotations:
    "helm.sh/hook": ${types}
`

const depends = (fields: string) => `${CHART}dependencies:\n  - {name: cache, ${fields}}\n`
const names = (objects: readonly Record<string, unknown>[]) =>
  objects.map(({ kind, metadata }) => {
    const name = typeof metadata === 'object' && metadata !== null && 'name' in metadata ? metadata.name : ''
    return `${kind} ${name}`
  })

test('a vendored dependency is rendered, and its condition and tags are heard', async () => {
  const fields =
    'version: ">=0.2.0, <0.3.0", repository: "https://charts.example.com", condition: cache.enabled, tags: [all]'
  const files = { ...subchart('charts/shop/charts/cache'), 'charts/shop/Chart.yaml': depends(fields) }
  assert.deepEqual(names(await objectsOf(chart(undefined, files))), ['ConfigMap shop-cache', 'ConfigMap shop-config'])
  for (const off of ['cache: {enabled: false}\n', 'tags: {all: false}\n'])
    assert.deepEqual(names(await objectsOf(chart(undefined, { ...files, 'deploy/prod.yaml': off }))), [
      'ConfigMap shop-config',
    ])
})

test('a dependency that is not vendored is refused, with the command that vendors it', async () => {
  const files = {
    'charts/shop/Chart.yaml': depends('version: ~0.2.0, repository: "https://ada:pw@charts.example.com"'),
  }
  const faults = await faultsOf(chart(undefined, files))
  assert.deepEqual(brief(faults), ['charts/shop/Chart.yaml:5 CHART_DEPENDENCY'])
  assert.match(String(faults[0]?.message), /cache ~0\.2\.0 .*helm dependency build charts\/shop/)
  assert.doesNotMatch(String(faults[0]?.message), /ada|pw@/)
  const outside = { 'charts/shop/Chart.yaml': depends('version: ~0.2.0, repository: "file://../../../cache"') }
  assert.deepEqual(brief(await faultsOf(chart(undefined, outside))), ['charts/shop/Chart.yaml:5 CHART_DEPENDENCY'])
})

test('a vendored dependency of another version than Chart.yaml asks for is refused; helm would take it', async () => {
  for (const version of ['0.2.0', '~0.3', '>=1', '0.1.x || >=0.2.2']) {
    const files = {
      ...subchart('charts/shop/charts/cache'),
      'charts/shop/Chart.yaml': depends(`version: "${version}"`),
    }
    assert.deepEqual(brief(await faultsOf(chart(undefined, files))), ['charts/shop/Chart.yaml:5 CHART_DEPENDENCY'])
  }
})

test('what helm vendors and locks is taken; a lock of another Chart.yaml and another version than the locked one are refused', async () => {
  const fields =
    'alias: store, condition: store.on, tags: [b, a], import-values: [{parent: x, child: "<y>"}, data], version: ">=0.2.0 & <1 || ^0.2"'
  const repository = (range: string) => `${CHART}dependencies:
  - {name: cache, repository: "file://../cache", ${fields.replace(' & ', ', ')}}
  - {name: cache, repository: "file://../cache", version: ${range}}
`
  const folder = tempFolder()
  const metadata = repository('"~0.2"')
  writeFiles(folder, { ...chart(), ...subchart('charts/cache'), 'charts/shop/Chart.yaml': metadata })
  const home = tempFolder()
  execFileSync(helm, ['dependency', 'update', 'charts/shop'], { cwd: folder, env: { HOME: home }, stdio: 'ignore' })
  const vendored = readdirSync(join(folder, 'charts/shop/charts'))
  assert.deepEqual(vendored, ['cache-0.2.1.tgz'])
  const archive = readFileSync(join(folder, 'charts/shop/charts/cache-0.2.1.tgz'))
  const lock = readFileSync(join(folder, 'charts/shop/Chart.lock'), 'utf8')
  const files = (metadata: string, lock: string) => ({
    ...{ 'charts/shop/Chart.yaml': metadata, 'charts/shop/Chart.lock': lock },
    'charts/shop/charts/cache-0.2.1.tgz': archive,
  })
  const objects = await objectsOf(chart(undefined, files(metadata, lock)))
  assert.deepEqual(names(objects), ['ConfigMap shop-cache', 'ConfigMap shop-cache', 'ConfigMap shop-config'])
  assert.deepEqual(brief(await faultsOf(chart(undefined, files(repository('"~0.2.0"'), lock)))), [
    'charts/shop/Chart.lock CHART_DEPENDENCY',
  ])
  const other = brief(
    await faultsOf(chart(undefined, files(metadata, lock.replace('version: 0.2.1', 'version: 0.2.0')))),
  )
  assert.deepEqual(other, ['charts/shop/Chart.lock CHART_DEPENDENCY', 'charts/shop/Chart.yaml:5 CHART_DEPENDENCY'])
})

test('what is wrong in a dependency under another name is placed at its own template', async () => {
  const files = subchart('charts/shop/charts/cache', { 'templates/config.yaml': hooked('pre-install') })
  const metadata = { 'charts/shop/Chart.yaml': depends('version: 0.2.1, alias: store') }
  assert.deepEqual(brief(await faultsOf(chart(undefined, { ...files, ...metadata }))), [
    'charts/shop/charts/cache/templates/config.yaml:6 HOOK_UNSUPPORTED',
  ])
})

test('a chart in an archive is taken as it was published, its old lock too; where it fails, the place inside is said', async () => {
  const folder = tempFolder()
  const lock = 'dependencies: []\ndigest: sha256:0\n'
  const packed = async (template: string) => {
    writeFiles(folder, subchart('cache', { 'Chart.lock': lock, 'templates/config.yaml': template }))
    execFileSync('tar', ['-czf', 'cache.tgz', 'cache'], { cwd: folder })
    return faultsOf(chart(undefined, { 'charts/shop/charts/cache-0.2.1.tgz': readFileSync(join(folder, 'cache.tgz')) }))
  }
  assert.deepEqual(await packed(CONFIG.replace('-config', '-cache')), [])
  const faults = await packed('{{ fail "no way" }}')
  assert.deepEqual(brief(faults), ['charts/shop/charts/cache-0.2.1.tgz RENDER_FAILED'])
  assert.equal(faults[0]?.message, 'shop/charts/cache/templates/config.yaml:1: no way')
})

test('what a vendored chart depends on must be vendored too, and what is wrong in an archive is placed at the archive', async () => {
  const folder = tempFolder()
  writeFiles(
    folder,
    subchart('cache', { 'Chart.yaml': `${SUB['Chart.yaml']}dependencies: [{name: base, version: 1.0.0}]\n` }),
  )
  execFileSync('tar', ['-czf', 'cache.tgz', 'cache'], { cwd: folder })
  const archive = { 'charts/shop/charts/cache-0.2.1.tgz': readFileSync(join(folder, 'cache.tgz')) }
  assert.deepEqual(brief(await faultsOf(chart(undefined, archive))), [
    'charts/shop/charts/cache-0.2.1.tgz CHART_DEPENDENCY',
  ])
})

test('test hooks are left out, and hooks that helm would drop without a word are refused', async () => {
  const tests = ['test', 'test-success', 'test-failure', '"test, TEST-success"'].map((types, i) => [
    `tests/${i}.yaml`,
    hooked(types),
  ])
  assert.deepEqual(names(await objectsOf(chart({ 'config.yaml': CONFIG, ...Object.fromEntries(tests) }))), [
    'ConfigMap shop-config',
  ])
  for (const types of ['crd-install', 'hunter2', 'hunter2,test']) {
    const faults = await faultsOf(chart({ 'config.yaml': CONFIG, 'job.yaml': hooked(types) }))
    assert.deepEqual(brief(faults), ['charts/shop/Chart.yaml HOOK_UNSUPPORTED'], types)
    assert.doesNotMatch(JSON.stringify(faults), /hunter2/)
  }
})

test('what helm is to keep is never pruned, unless the object says something else about that', async () => {
  const keeping = (annotations: string) => CONFIG.replace('\ndata:', `\n  annotations: {${annotations}}\ndata:`)
  const annotated = async (annotations: string) => {
    const [object] = await objectsOf(chart({ 'a.yaml': keeping(annotations) }))
    return JSON.stringify(object?.metadata).match(/waybill.dev\/prune":"(\w+)"/)?.[1]
  }
  assert.equal(await annotated('helm.sh/resource-policy: " Keep"'), 'never')
  assert.equal(await annotated('helm.sh/resource-policy: keep, waybill.dev/prune: confirm'), 'confirm')
  assert.equal(await annotated('helm.sh/resource-policy: other'), undefined)
})

const CRD = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: shops.example.com}
spec:
  group: example.com
  scope: Cluster
  names: {kind: Shop, plural: shops}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]
`

test('CRDs come first; notes, partials, empty documents and ignored files are no objects; Lists are taken apart', async () => {
  const templates = {
    '_helpers.tpl': '{{- define "shop.name" -}}listed{{- end -}}',
    'NOTES.txt': 'Hello {{ .Values.greeting }}',
    'a-list.yaml':
      'apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: {{ include "shop.name" . }}}}\n',
    'off.yaml': '{{ if .Values.off }}\napiVersion: v1\nkind: Secret\n{{ end }}\n---\n# nothing\n---\n',
    'ignored.yaml': 'not: {{ yaml',
    'config.yaml': CONFIG,
  }
  const files = { 'charts/shop/crds/shops.yaml': CRD, 'charts/shop/.helmignore': 'ignored.yaml\n' }
  assert.deepEqual(names(await objectsOf(chart(templates, files))), [
    'CustomResourceDefinition shops.example.com',
    'ConfigMap shop-config',
    'ConfigMap listed',
  ])
})

test('objects without a namespace get the release’s, and cluster-scoped ones none, of the chart’s own kinds too', async () => {
  const text = [
    'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}',
    'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b, namespace: other}',
    'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: ""}',
    'apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: d}',
    'apiVersion: example.com/v1\nkind: Shop\nmetadata: {name: e}',
    'apiVersion: example.org/v1\nkind: Shop\nmetadata: {name: f}',
  ].join('\n---\n')
  const objects = await objectsOf(chart({ 'a.yaml': text }, { 'charts/shop/crds/shops.yaml': CRD }))
  const found = objects.map(({ metadata }) => JSON.stringify(metadata)).sort()
  assert.deepEqual(found, [
    '{"name":"a","namespace":"shop"}',
    '{"name":"b","namespace":"other"}',
    '{"name":"c","namespace":"shop"}',
    '{"name":"d"}',
    '{"name":"e"}',
    '{"name":"f","namespace":"shop"}',
    '{"name":"shops.example.com"}',
  ])
})

test('YAML in a chart means what helm takes it for', async () => {
  const text = `${CONFIG}---
apiVersion: apps/v1
kind: Deployment
metadata: {name: api}
spec: {template: {spec: {automountServiceAccountToken: no, volumes: [{secret: {defaultMode: 0644}}]}}}
`
  const [, object] = await objectsOf(chart({ 'a.yaml': text }))
  const spec = { automountServiceAccountToken: false, volumes: [{ secret: { defaultMode: 420 } }] }
  assert.deepEqual(object?.spec, { template: { spec } })
})

const REMOTE = '{\n\t"properties": {"a": {"$ref": "REF"}}}'

test('a schema of values is enforced, by field and type only, and one that leads out of its file is refused before helm reads it', async () => {
  const schema = JSON.stringify({
    properties: { greeting: { pattern: '^Hello$' }, count: { type: 'integer' }, password: { enum: ['a'] } },
    required: ['host'],
  })
  const files = { 'charts/shop/values.schema.json': schema, 'deploy/prod.yaml': 'count: three\npassword: hunter2\n' }
  const faults = await faultsOf(chart(undefined, files))
  assert.deepEqual(brief(faults), ['charts/shop/Chart.yaml RENDER_FAILED'])
  assert.match(String(faults[0]?.message), /missing property 'host'.*\/count: got string, want integer/)
  assert.match(String(faults[0]?.message), /\/password: not what the schema allows/)
  assert.doesNotMatch(String(faults[0]?.message), /hunter2|three/)
  for (const ref of ['https://example.com/a.json', 'http://127.0.0.1/a', 'file:///etc/passwd', 'defs.json', 'urn:a:b'])
    assert.deepEqual(
      brief(await faultsOf(chart(undefined, { 'charts/shop/values.schema.json': REMOTE.replace('REF', ref) }))),
      ['charts/shop/values.schema.json INPUT_REMOTE'],
    )
  const meta = { 'charts/shop/values.schema.json': '{"$schema": "https://example.com/a.json"}' }
  assert.deepEqual(brief(await faultsOf(chart(undefined, meta))), ['charts/shop/values.schema.json INPUT_REMOTE'])
  const broken = await faultsOf(chart(undefined, { 'charts/shop/values.schema.json': '{"a": }' }))
  assert.deepEqual(brief(broken), ['charts/shop/values.schema.json YAML_INVALID'])
  const own =
    '{"$schema": "https://json-schema.org/draft-07/schema#", "$defs": {"a": {}}, "properties": {"b": {"$ref": "#/$defs/a"}}}'
  assert.deepEqual(await faultsOf(chart(undefined, { 'charts/shop/values.schema.json': own })), [])
})

test('what a chart refuses is said in its own words, at the template’s line', async () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ['{{ required "give it a \\"host\\"" .Values.host }}', /^give it a "host"$/],
    ['{{ fail `no way` }}', /^no way$/],
    ['{{ .Values.a.b.c }}', /nil pointer evaluating interface \{\}\.b/],
    ['{{ nope }}', /function "nope" not defined/],
    ['{{ include "shop.nope" . }}', /no template "shop\.nope"/],
    ['{{ if }}', /cannot be parsed: missing value for if/],
    ['{{ .Values.greeting.x }}', /can't evaluate field x in type interface \{\}/],
  ]
  const found = await faultsOfEach(
    cases.map(([template]) => `# first\na: ${template}\n`),
    'greeting: Hello\n',
  )
  cases.forEach(([template, message], i) => {
    assert.deepEqual(brief(found[i] ?? []), [`charts/e${i}/templates/a.yaml:2 RENDER_FAILED`], template)
    assert.match(String(found[i]?.[0]?.message), message)
  })
  const included = { '_h.tpl': '{{ define "h" }}\n{{ .Values.a.b }}{{ end }}', 'a.yaml': 'a: {{ include "h" . }}\n' }
  assert.deepEqual(brief(await faultsOf(chart(included))), ['charts/shop/templates/_h.tpl:2 RENDER_FAILED'])
})

test('no value, and nothing that a template makes of one, is repeated when a chart fails', async () => {
  const templates = [
    '{{ fail (printf "%s is wrong" .Values.password) }}',
    '{{ fail .Values.password }}',
    '{{ mustToDate "2006" .Values.password }}',
    '{{ mustRegexMatch .Values.password "a" }}',
    '{{ tpl (printf "{{ %s }}" .Values.password) . }}',
    '{{ tpl "{{ .Values.password.x }}" . }}',
    '{{ tpl (printf "{{ .Values.password.%s }}" (.Values.password | replace "-x" "")) . }}',
    '{{ tpl (printf "{{ .Values.a.%s.b }}" (.Values.password | replace "-x" "")) . }}',
    '{{ include .Values.password . }}',
    '{{ template .Values.password }}',
    '{{ mustFromJson .Values.password }}',
    'a: *{{ .Values.password }}',
    'a: !{{ .Values.password }} b: c',
    '{{ .Values.password }}: {{ .Values.password }}: {{ .Values.password }}',
    'metadata: {{ .Values.password }}',
    'metadata: {annotations: {a: 12, b: {{ .Values.password }}: d}}',
    '"{{ .Values.password }}',
    '- {{ .Values.password }}',
    '{{ .Values.password }}',
    '{{ b64dec .Values.password | fail }}',
    '{{ .Values.password | b64enc | fail }}',
    'apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData: {a: {{ .Values.password }}}',
  ]
  const found = await faultsOfEach(
    templates.map((template) => `${template}\n`),
    'password: hunter2-x\n',
  )
  templates.forEach((template, i) => {
    assert.equal(found[i]?.length, 1, template)
    assert.doesNotMatch(JSON.stringify(found[i]), /hunter2|aHVudGVyMi|\\ufffd/, template)
  })
  const broken = await faultsOf(chart(undefined, { 'deploy/prod.yaml': 'password: hunter2: x\n' }))
  assert.deepEqual(brief(broken), ['deploy/prod.yaml:1 YAML_INVALID'])
  assert.doesNotMatch(JSON.stringify(broken), /hunter2/)
})

test('templates that ask for the time are refused where they stand, though two renderings look the same', async () => {
  const templates = {
    '_helpers.tpl': '{{- define "unused" -}}\n{{ now | date "2006" }}{{- end -}}',
    'a.yaml': `${CONFIG}  a: {{ (now).Year | quote }} {{ .Values.now }} {{ "now" }} {{/* now */}} {{ $now := 1 }} now\n  b: {{ ago now }}\n`,
    'NOTES.txt': 'Installed {{ now }}',
    'b.yaml': '# {{ .Capabilities.HelmVersion.GoVersion }}\n',
  }
  assert.deepEqual(brief(await faultsOf(chart(templates, { 'deploy/prod.yaml': 'a: "{{ now }}"\n' }))), [
    'charts/shop/templates/_helpers.tpl:2 RENDER_UNSTABLE',
    'charts/shop/templates/a.yaml:7 RENDER_UNSTABLE',
    'charts/shop/templates/a.yaml:8 RENDER_UNSTABLE',
    'charts/shop/templates/a.yaml:8 RENDER_UNSTABLE',
    'charts/shop/templates/b.yaml:1 RENDER_UNSTABLE',
    'deploy/prod.yaml:1 RENDER_UNSTABLE',
  ])
})

test('what is random is refused where it is used, and placed at the line that leaves it to chance', async () => {
  const chances = [
    'randAlphaNum 20',
    'uuidv4',
    'genPrivateKey "ecdsa"',
    'htpasswd "a" "b"',
    'keys .Values.map | join ","',
  ]
  const templates = chances.map((chance, i) => [
    `${i}.yaml`,
    `${CONFIG.replace('-config', `-${i}`)}  a: {{ ${chance} | quote }}\n`,
  ])
  const values = { 'deploy/prod.yaml': `map: {${[...'abcdefghijklm'].map((key) => `${key}: 1`)}}\n` }
  assert.deepEqual(brief(await faultsOf(chart(Object.fromEntries(templates), values))), [
    ...chances.map((_, i) => `charts/shop/templates/${i}.yaml:7 RENDER_UNSTABLE`),
  ])
  const unused = '{{- define "unused" -}}{{ randAlphaNum 5 }}{{- end -}}{{- if .Values.off }}{{ genCA "a" 1 }}{{ end }}'
  const tested = hooked('test').replace('name: hook', 'name: hook-{{ randAlphaNum 5 | lower }}')
  assert.deepEqual(await faultsOf(chart({ 'config.yaml': CONFIG, '_helpers.tpl': unused, 'test.yaml': tested })), [])
})

test('where a template could leave something to chance, two renderings that are the same are not enough', async () => {
  const folder = tempFolder()
  const [counter, fake] = [join(folder, 'count'), join(folder, 'helm')]
  const rendered = CONFIG.replace('{{ .Release.Name }}', 'shop').replace(/\{\{.*\}\}/, '"$(third)"')
  const script = `#!/bin/sh
if [ "$1" = version ]; then echo v4.3.1; exit; fi
echo x >> ${counter}
third() { n=0; while read -r line; do n=$((n + 1)); done < ${counter}; if [ $n -eq 3 ]; then printf third; fi; }
printf '%s\\n' "---
# Source: shop/templates/config.yaml
${rendered.replaceAll('"', '\\"')}"
`
  writeFileSync(fake, script, { mode: 0o755 })
  const refused = (template: string) =>
    checkCommit(optionsFor(repositoryOf(chart({ 'config.yaml': template })), { env: { ...env, WAYBILL_HELM: fake } }))
  await refused(CONFIG)
  writeFileSync(counter, '')
  await assert.rejects(refused(CONFIG.replace('quote', 'keys')), (error) => {
    assert.ok(error instanceof WaybillError)
    assert.deepEqual(brief(error.faults), ['charts/shop/templates/config.yaml:6 RENDER_UNSTABLE'])
    return true
  })
})

test('there is no cluster to look things up in, and no name server', async () => {
  const text = `${CONFIG}  found: {{ lookup "v1" "Secret" "shop" "shop" | toJson | quote }}\n  host: {{ getHostByName "localhost" | quote }}\n`
  const [object] = await objectsOf(chart({ 'config.yaml': text }))
  assert.deepEqual(object?.data, { greeting: 'Hello from production', found: '{}', host: '' })
})

test('what is wrong in an object is placed at the line of the template that it came from', async () => {
  const template = `{{- if .Values.greeting }}
apiVersion: v1
kind: ConfigMap
metadata: {name: first}
{{- end }}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: api
  labels:
    {{- include "labels" . | nindent 4 }}
spec:
  {{- range list 1 }}
  minReadySeconds: {{ . }}
  {{- end }}
  selector: {matchLabels: {app: api}}
  template:
    metadata:
      labels:
        app: api
        {{- toYaml .Values.labels | nindent 8 }}
    spec:
      containers:
        - name: api
          image: {{ .Values.image }}
        - name: side
          image: "{{ .Values.image }}-side"
`
  const helpers = '{{ define "labels" }}\na: b\nc: d\ne: f\n{{ end }}'
  const values = 'image: registry.example.com/api:1\nlabels: {x: x, w: 12, z: z}\n'
  const files = chart({ '_h.tpl': helpers, 'api.yaml': template }, { 'deploy/prod.yaml': values })
  assert.deepEqual(brief(await faultsOf(files)), [
    'charts/shop/templates/api.yaml:22 FIELD_INVALID',
    'charts/shop/templates/api.yaml:26 IMAGE_UNPINNED',
    'charts/shop/templates/api.yaml:28 IMAGE_UNPINNED',
  ])
  const packed = tempFolder()
  writeFiles(packed, files)
  execFileSync('tar', ['-czf', 'shop.tgz', 'shop'], { cwd: join(packed, 'charts') })
  const archive = { 'charts/shop': readFileSync(join(packed, 'charts/shop.tgz')), 'deploy/prod.yaml': values }
  assert.deepEqual(brief(await faultsOf({ 'waybill.yaml': PACKAGE, ...archive })), [
    'charts/shop FIELD_INVALID',
    'charts/shop IMAGE_UNPINNED',
    'charts/shop IMAGE_UNPINNED',
  ])
})

test('what is not of the commit is refused: links out of it, files that are missing, LFS pointers', async () => {
  const lfs = 'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n'
  const cases: readonly (readonly [Files, string])[] = [
    [{ 'charts/shop/files': { link: '/etc' } }, 'charts/shop/files INPUT_UNSUPPORTED'],
    [{ 'charts/shop/charts/cache': { link: '../../../..' } }, 'charts/shop/charts/cache INPUT_UNSUPPORTED'],
    [{ 'charts/shop/charts/cache-1.tgz': lfs }, 'charts/shop/charts/cache-1.tgz INPUT_UNSUPPORTED'],
    [{ 'charts/shop/files/back': { link: '../..' } }, 'charts/shop/files/back INPUT_UNSUPPORTED'],
    [{ 'charts/shop/a': { link: '../../x' }, 'x/b': { link: '../charts' } }, 'charts/shop/a/b INPUT_UNSUPPORTED'],
    [{ 'deploy/prod.yaml': { link: '/etc/passwd' } }, 'deploy/prod.yaml INPUT_MISSING'],
  ]
  for (const [files, fault] of cases) assert.deepEqual(brief(await faultsOf(chart(undefined, files))), [fault])
  const { 'deploy/prod.yaml': _values, ...rest } = chart()
  assert.deepEqual(brief(await faultsOf(rest)), ['deploy/prod.yaml INPUT_MISSING'])
  const nowhere = { 'waybill.yaml': PACKAGE, 'deploy/prod.yaml': 'a: b\n' }
  assert.deepEqual(brief(await faultsOf(nowhere)), ['charts/shop INPUT_MISSING'])
  assert.deepEqual(brief(await faultsOf({ ...nowhere, 'charts/shop/a.yaml': 'a: b\n' })), [
    'charts/shop/Chart.yaml INPUT_MISSING',
  ])
  const linked = { 'charts/shop/templates': { link: '../../shared' }, 'shared/config.yaml': CONFIG }
  assert.deepEqual(names(await objectsOf({ ...chart({}), ...linked })), ['ConfigMap shop-config'])
})

test('settings, plug-ins, repositories and the cluster of the machine have no say, and nothing is left behind', async () => {
  const home = tempFolder()
  writeFiles(home, {
    'plugins/spy/plugin.yaml': 'no: [plugin',
    kubeconfig:
      'apiVersion: v1\nkind: Config\ncontexts: [{name: a, context: {namespace: other}}]\ncurrent-context: a\n',
  })
  const odd = {
    ...env,
    ...{ HOME: home, XDG_CONFIG_HOME: home, HELM_DATA_HOME: home, HELM_PLUGINS: join(home, 'plugins') },
    ...{ HELM_NAMESPACE: 'other', HELM_DEBUG: 'true', KUBECONFIG: join(home, 'kubeconfig'), TZ: 'Asia/Kolkata' },
    HELM_KUBECONTEXT: 'a',
  }
  const time = `${CONFIG}  zone: {{ date "15:04" (toDate "2006-01-02" "2026-11-21") | quote }}\n  namespace: {{ .Release.Namespace }}\n`
  const repo = repositoryOf(chart({ 'config.yaml': time }))
  const { digest } = await packCommit(optionsFor(repo, { env }))
  const temp = tempFolder()
  const packed = await packCommit(optionsFor(repo, { env: odd, tempDir: temp }))
  assert.equal(packed.digest, digest)
  assert.deepEqual(packed.tools, { helm: '4.3.1' })
  assert.deepEqual(readdirSync(temp), [])
  assert.deepEqual(readdirSync(home).sort(), ['kubeconfig', 'plugins'])
})

test('another version of helm than the pinned one is refused, and so is a machine without helm, only where one is needed', async () => {
  const other = chart(undefined, { 'waybill.yaml': PACKAGE.replace('4.3.1', '4.3.0') })
  const faults = await faultsOf(other)
  assert.deepEqual(brief(faults), ['waybill.yaml:9 TOOL_VERSION'])
  assert.match(String(faults[0]?.message), /helm 4\.3\.0.*4\.3\.1/)
  const none = { PATH: process.env.PATH, WAYBILL_HELM: '/nonexistent/helm' }
  const error = await checkCommit(optionsFor(repositoryOf(chart()), { env: none })).catch((thrown: unknown) => thrown)
  assert.ok(error instanceof WaybillError)
  assert.deepEqual([error.code, /WAYBILL_HELM/.test(error.hint)], ['TOOL_MISSING', true])
  const plain = repositoryOf({ 'waybill.yaml': packageFile(), 'deploy/a.yaml': CONFIG_MAP })
  await checkCommit(optionsFor(plain, { env: none }))
})

/** Written down, as in same-digest.test.ts: it changes only when the objects that this chart renders to do. */
const TREE = 'sha256:b02b24d2b02dc251b236c59acaba89869c1e5ac10d02a32c760908ae39167785'

test('a chart packs to the tree that is written here, which is read back', async () => {
  const files = {
    ...subchart('charts/shop/charts/cache'),
    'charts/shop/Chart.yaml': depends('version: ~0.2'),
    'charts/shop/crds/shops.yaml': CRD,
  }
  const packed = await packCommit(optionsFor(repositoryOf(chart(undefined, files)), { env }))
  assert.equal(packed.environments.prod?.treeDigest, TREE)
  assert.equal((await readLayer(packed.layer, packed.release, 'prod')).length, 3)
})
