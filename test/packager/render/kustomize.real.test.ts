import assert from 'node:assert/strict'
import { chmodSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { readLayer } from '../../../contract/artifact/layer.ts'
import { type Fault, WaybillError } from '../../../contract/errors.ts'
import { checkCommit, packCommit } from '../../../packager/pack-commit.ts'
import { ensureTools } from '../../../tools/build.ts'
import {
  CONFIG_MAP,
  DEPLOYMENT,
  type Files,
  GIT_ENV,
  optionsFor,
  packageFile,
  repositoryFrom,
  repositoryOf,
  tempFolder,
} from '../repository.ts'

const { kustomize, helm } = await ensureTools(['kustomize', 'helm'])
const env = { PATH: process.env.PATH, WAYBILL_KUSTOMIZE: kustomize, WAYBILL_HELM: helm }
const shop = fileURLToPath(new URL('../../../examples/shop', import.meta.url))

/** Written down, as in same-digest.test.ts: each changes only when the shop's objects in that environment do. */
const TREES = {
  dev: 'sha256:475f7428b2dec21df13fac9c342440d973432efc4a5a1a5a47f71f7464ad78a1',
  production: 'sha256:021f9d3a7eb7ecf10c40b6c5faeb8a2331957e38fd47686ccc498dff7f39425f',
  staging: 'sha256:518d37a56dd3d3f7d9c7796248b84518ff8e851baeb68f2ec681ccfe6468d5ec',
}

const PACKAGE = packageFile({
  environments: 'prod: {kustomize: overlays/prod}',
  extra: '  tools: {kustomize: 5.8.2}\n',
})

function overlay(kustomization: string, files: Files = {}): Files {
  return {
    'waybill.yaml': PACKAGE,
    'base/kustomization.yaml': 'resources: [api.yaml]\n',
    'base/api.yaml': DEPLOYMENT,
    'overlays/prod/kustomization.yaml': kustomization,
    ...files,
  }
}

async function faultsOf(files: Files, environment = env): Promise<readonly Fault[]> {
  try {
    await checkCommit(optionsFor(repositoryOf(files), { env: environment }))
    return []
  } catch (error) {
    assert.ok(error instanceof WaybillError && error.faults.length > 0, `${error}`)
    return error.faults
  }
}

const brief = (faults: readonly Fault[]) =>
  faults.map(({ code, file, line }) => `${file}${line === undefined ? '' : `:${line}`} ${code}`)

test('the shop packs to the trees that are written here, and each environment is read back', async () => {
  const packed = await packCommit(optionsFor(repositoryFrom(shop), { env }))
  const trees = Object.entries(packed.environments).map(([name, { treeDigest }]) => [name, treeDigest])
  assert.deepEqual(Object.fromEntries(trees), TREES)
  const counts = Object.entries(packed.environments).map(([name, { objects }]) => [name, objects])
  assert.deepEqual(counts, [
    ['dev', 3],
    ['production', 8],
    ['staging', 7],
  ])
  for (const [name, count] of counts)
    assert.equal((await readLayer(packed.layer, packed.release, String(name))).length, count)
  assert.deepEqual(packed.tools, { kustomize: '5.8.2', helm: '4.3.1' })
})

test('umask, home, locale, time zone and settings of kustomize have no say', async () => {
  const home = tempFolder()
  const odd = {
    ...env,
    HOME: home,
    XDG_CONFIG_HOME: home,
    KUSTOMIZE_PLUGIN_HOME: home,
    TZ: 'Asia/Kolkata',
    LC_ALL: 'tr_TR.UTF-8',
  }
  const { digest } = await packCommit(optionsFor(repositoryFrom(shop), { env }))
  assert.equal((await packCommit(optionsFor(repositoryFrom(shop), { env: odd }))).digest, digest)
})

test('an overlay is rendered, with its faults placed in the files that people wrote', async () => {
  const kustomization =
    'namePrefix: my-\nresources: [../../base, config.yaml]\nimages: [{name: registry.example.com/api, newTag: "2", digest: ""}]\n'
  const files = overlay(kustomization, {
    'base/api.yaml': DEPLOYMENT.replace(/@sha256:\w+/, ':1'),
    'overlays/prod/config.yaml': CONFIG_MAP,
  })
  assert.deepEqual(brief(await faultsOf(files)), ['base/api.yaml:13 IMAGE_UNPINNED'])
})

test('what a generator makes is placed at its kustomization', async () => {
  const kustomization = 'resources: [../../base]\nsecretGenerator: [{name: s, literals: [password=hunter2]}]\n'
  const faults = await faultsOf(overlay(kustomization))
  assert.deepEqual(brief(faults), ['overlays/prod/kustomization.yaml SECRET_VALUE'])
  assert.doesNotMatch(JSON.stringify(faults), /hunter2|aHVudGVyMg/)
})

test('remote bases, whatever their form, are refused before anything is run', async () => {
  const { port, requests, close } = await listen()
  const refs = [
    `http://127.0.0.1:${port}/base.yaml`,
    'https://example.com/base.yaml',
    'github.com/acme/base//overlays/prod?ref=v1',
    'git@git.example.com:acme/base.git',
    'git::https://git.example.com/acme/base',
    'ssh://git.example.com/acme/base',
    'example.com/acme/base',
    'file:///etc',
  ]
  const fields = ['resources', 'components', 'bases', 'transformers', 'generators', 'crds']
  for (const ref of refs) {
    const faults = await faultsOf(overlay(fields.map((field) => `${field}: ["${ref}"]\n`).join('')))
    assert.deepEqual(brief(faults), Array(fields.length).fill('overlays/prod/kustomization.yaml INPUT_REMOTE'), ref)
  }
  const paths = [
    `patches: [{path: "${refs[0]}"}]`,
    `configMapGenerator: [{name: a, files: ["k=${refs[0]}"]}]`,
    `configMapGenerator: [{name: a, envs: ["${refs[0]}"]}]`,
    `openapi: {path: "${refs[0]}"}`,
    `replacements: [{path: "${refs[0]}"}]`,
  ]
  for (const field of paths)
    assert.match(brief(await faultsOf(overlay(`resources: [../../base]\n${field}\n`))).join(), /INPUT_REMOTE/, field)
  const generator = `apiVersion: builtin\nkind: ConfigMapGenerator\nmetadata: {name: g}\nfiles: ["${refs[0]}"]\n`
  const files = overlay('resources: [../../base]\ngenerators: [g.yaml]\n', { 'overlays/prod/g.yaml': generator })
  assert.match(brief(await faultsOf(files)).join(), /overlays\/prod\/g\.yaml INPUT_REMOTE/)
  assert.deepEqual(requests, [])
  close()
})

async function listen() {
  const requests: string[] = []
  const server = createServer((request, response) => {
    requests.push(String(request.url))
    response.end(CONFIG_MAP)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  assert.ok(address !== null && typeof address === 'object')
  return { port: address.port, requests, close: () => server.close() }
}

test('a remote base of a base is found too', async () => {
  const files = overlay('resources: [../../base]\n', {
    'base/kustomization.yaml': 'resources: [api.yaml, "https://example.com/x.yaml"]\n',
  })
  assert.deepEqual(brief(await faultsOf(files)), ['base/kustomization.yaml INPUT_REMOTE'])
})

test('paths out of the repository, links out of it, submodules, charts and missing files are refused', async () => {
  const cases: readonly (readonly [string, string, Files?])[] = [
    ['resources: [../../../../etc]', 'INPUT_UNSUPPORTED'],
    ['resources: [/etc/passwd]', 'INPUT_UNSUPPORTED'],
    ['resources: [link.yaml]', 'INPUT_UNSUPPORTED', { 'overlays/prod/link.yaml': { link: '/etc/passwd' } }],
    ['resources: [out]', 'INPUT_UNSUPPORTED', { 'overlays/prod/out': { link: '/etc' } }],
    [
      'configMapGenerator: [{name: a, files: [out/passwd]}]',
      'INPUT_UNSUPPORTED',
      { 'overlays/prod/out': { link: '/etc' } },
    ],
    ['helmCharts: [{name: a, repo: "https://example.com"}]', 'INPUT_UNSUPPORTED'],
    ['resources: [missing.yaml]', 'INPUT_MISSING'],
    ['resources: [../empty]', 'INPUT_MISSING', { 'overlays/empty/readme.md': '' }],
  ]
  for (const [kustomization, code, files] of cases)
    assert.deepEqual(
      (await faultsOf(overlay(`${kustomization}\n`, files))).map((fault) => fault.code),
      [code],
      kustomization,
    )
})

test('YAML that kustomize and others read differently is found in its sources', async () => {
  const config = `${CONFIG_MAP}  a: 0644\n  b: yes\n  c: 2024-01-01\n`
  const files = overlay('resources: [../../base, config.yaml]\n', { 'overlays/prod/config.yaml': config })
  assert.deepEqual(
    brief(await faultsOf(files)),
    [8, 9, 10].map((line) => `overlays/prod/config.yaml:${line} YAML_AMBIGUOUS`),
  )
})

test('what kustomize refuses is passed on in its words, without the folder that it ran in', async () => {
  const patch = 'patches: [{patch: "{apiVersion: v1, kind: Secret, metadata: {name: nope}, stringData: {a: hunter2}}"}]'
  const faults = await faultsOf(overlay(`resources: [../../base]\n${patch}\n`))
  assert.deepEqual(brief(faults), ['overlays/prod/kustomization.yaml RENDER_FAILED'])
  assert.match(String(faults[0]?.message), /no resource matches strategic merge patch "Secret.*nope/)
  const twice = await faultsOf(overlay('resources: [../../base, ../../base]\n'))
  assert.match(String(twice[0]?.message), /already registered id: Deployment.*'\.\/base'|'base'/)
  assert.doesNotMatch(`${faults[0]?.message}${twice[0]?.message}`, /waybill-|hunter2/)
})

test('where kustomize repeats a patch, a literal or a line of a file, its words are not shown', async () => {
  const cases: readonly (readonly [string, Files?])[] = [
    ['secretGenerator: [{name: s, literals: [hunter2-x]}]'],
    ['secretGenerator: [{name: s, literals: ["=hunter2-x"]}]'],
    [
      'generators: [g.yaml]',
      { 'g.yaml': 'apiVersion: builtin\nkind: SecretGenerator\nmetadata: {name: g}\nliterals: [hunter2-x]\n' },
    ],
    ['patches: [{target: {kind: Deployment}, patch: "[{op: replace, path: /data/a/b/c, value: hunter2-x}]"}]'],
    ['patches: [{target: {kind: Deployment}, patch: "[{op: test, path: /metadata/name, value: {name: hunter2-x}}]"}]'],
    ['patches:\n- patch: |-\n    kind: Secret\n    stringData: {name: "hunter2-x\\nhunter2-y"'],
    ['patchesStrategicMerge:\n- |-\n  kind: Secret\n  stringData: {name: hunter2-x}'],
    ['secretGenerator: [{name: s, envs: [s.env]}]', { 's.env': 'password=hunter2-x\n=hunter2-y\n' }],
  ]
  for (const [kustomization, files = {}] of cases) {
    const inFolder = Object.entries(files).map(([name, content]) => [`overlays/prod/${name}`, content])
    const faults = await faultsOf(overlay(`resources: [../../base]\n${kustomization}\n`, Object.fromEntries(inFolder)))
    assert.doesNotMatch(JSON.stringify(faults), /hunter2/, kustomization)
    assert.ok(faults.length > 0, kustomization)
  }
})

test('a line in the wrong place of a file of variables is not named as a key', async () => {
  const files = overlay('secretGenerator: [{name: s, envs: [s.env]}]\n', {
    'overlays/prod/s.env': 'hunter2 the secret=x\nuser=ada\n',
  })
  const faults = await faultsOf(files)
  assert.match(String(faults[0]?.message), /user/)
  assert.doesNotMatch(JSON.stringify(faults), /hunter2/)
})

test('another version than the pinned one, and one that says none, are refused', async () => {
  const other = { ...overlay('resources: [../../base]\n'), 'waybill.yaml': PACKAGE.replace('5.8.2', '5.8.1') }
  const faults = await faultsOf(other)
  assert.deepEqual(brief(faults), ['waybill.yaml:9 TOOL_VERSION'])
  assert.match(String(faults[0]?.message), /5\.8\.1.*5\.8\.2/)
  const fake = { ...env, WAYBILL_KUSTOMIZE: process.execPath }
  assert.deepEqual(brief(await faultsOf(overlay('resources: [../../base]\n'), fake)), ['waybill.yaml:9 TOOL_VERSION'])
})

test('a machine without kustomize is told so, and only where it is needed', async () => {
  const none = { PATH: process.env.PATH, WAYBILL_KUSTOMIZE: '/nonexistent/kustomize' }
  const repo = repositoryOf(overlay('resources: [../../base]\n'))
  await assert.rejects(checkCommit(optionsFor(repo, { env: none })), { code: 'TOOL_MISSING' })
  const plain = repositoryOf({ 'waybill.yaml': packageFile(), 'deploy/a.yaml': CONFIG_MAP })
  await checkCommit(optionsFor(plain, { env: none }))
})

test('rendering that gives another object the second time is refused, and names it', async () => {
  const counter = join(tempFolder(), 'count')
  const fake = join(tempFolder(), 'kustomize')
  writeFileSync(counter, '')
  const script = `#!/bin/sh
if [ "$1" = version ]; then echo v5.8.2; exit; fi
echo x >> ${counter}
printf 'apiVersion: v1\\nkind: ConfigMap\\nmetadata: {name: steady}\\n---\\napiVersion: v1\\nkind: ConfigMap\\nmetadata: {name: dice}\\ndata: {runs: "'
while read -r line; do printf x; done < ${counter}
printf '"}\\n'
`
  writeFileSync(fake, script)
  chmodSync(fake, 0o755)
  const repo = repositoryOf(overlay('resources: [../../base]\n'))
  await assert.rejects(checkCommit(optionsFor(repo, { env: { ...GIT_ENV, WAYBILL_KUSTOMIZE: fake } })), (error) => {
    assert.ok(error instanceof WaybillError)
    assert.equal(error.code, 'RENDER_UNSTABLE')
    assert.match(error.message, /prod.*ConfigMap dice/)
    return true
  })
})
