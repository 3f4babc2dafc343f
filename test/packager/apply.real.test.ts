import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { cpSync, globSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { parseConfig } from '../../contract/artifact/artifact.ts'
import { ensureTools } from '../../tools/build.ts'
import { waybillHere } from '../cli/command.ts'
import { makeKey } from '../fakes/keys.ts'
import { field, useControlPlane } from '../real/control-plane.ts'
import { REGISTRY_KINDS, startRegistry } from '../real/registry.ts'
import { commitAll, git, tempFolder, writeFiles } from './repository.ts'

const { oras, kustomize, helm } = await ensureTools(['oras', 'kustomize', 'helm'])
const cluster = await useControlPlane()
const shop = fileURLToPath(new URL('../../examples/shop', import.meta.url))

/** What is awkward to write into a file name, a tar header, a kustomization or JSON. */
const awkward = (namespace: string) => `apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: "acme:${namespace}:reader"}
rules: [{apiGroups: [""], resources: [pods], verbs: [get]}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: ${'long-'.repeat(45)}name, namespace: ${namespace}}
data: {greeting: "Grüße, 世界 \\u0001\\n", "n": "0644", "on": "yes"}
---
apiVersion: v1
kind: Secret
metadata: {name: login, namespace: ${namespace}}
stringData: {password: hunter2}
`

/** The example, in a namespace of its own, at a registry of its own. */
function shopIn(namespace: string, repository: string): string {
  const folder = tempFolder()
  cpSync(shop, folder, { recursive: true })
  for (const file of globSync('**/*.yaml', { cwd: folder })) {
    const text = readFileSync(join(folder, file), 'utf8').replaceAll('namespace: shop', `namespace: ${namespace}`)
    writeFileSync(join(folder, file), text.replace(/repository: .*/, `repository: ${repository}`))
  }
  const packageFile = readFileSync(join(folder, 'waybill.yaml'), 'utf8')
  writeFiles(folder, {
    'waybill.yaml': packageFile.replace('secrets: refuse', 'secrets: allow'),
    'deploy/plain/awkward.yaml': awkward(namespace),
  })
  git(folder, 'init', '-q', '-b', 'main')
  commitAll(folder)
  return folder
}

for (const kind of REGISTRY_KINDS)
  test(`${kind}: what oras pulls and tar unpacks, kubectl apply -k sends to a real API server, which takes all of it`, async (t) => {
    const registry = await startRegistry({ kind })
    t.after(registry.stop)
    const namespace = await cluster.freshNamespace('packed')
    const repository = `${registry.host}/acme/shop`
    const folder = tempFolder()
    const keyFile = join(folder, 'release.pem')
    writeFileSync(keyFile, makeKey().pem)
    const published = await waybillHere(
      [
        ...['publish', '--repo', shopIn(namespace, repository), '--key', keyFile],
        ...['--version', '1.0.0', '--plain-http', '--output', 'json'],
      ],
      { env: { WAYBILL_ORAS: oras, WAYBILL_KUSTOMIZE: kustomize, WAYBILL_HELM: helm } },
    )
    assert.equal(published.status, 0, `${published.stderr}${published.stdout}`)
    execFileSync(oras, ['pull', '--plain-http', `${repository}:1.0.0`], { cwd: folder, stdio: 'pipe' })
    execFileSync('tar', ['xzf', 'shop.tar.gz'], { cwd: folder })
    const names = readdirSync(folder).filter((name) => !name.includes('.'))
    assert.deepEqual(names.sort(), ['dev', 'production', 'staging'])

    const config = parseConfig(
      execFileSync(oras, ['manifest', 'fetch-config', '--plain-http', `${repository}:1.0.0`], { stdio: 'pipe' }),
    )
    for (const name of names) {
      const output = await cluster.runKubectl([
        ...['apply', '--dry-run=server', '--validate=strict', '-k', join(folder, name), '-o', 'json'],
      ])
      const items: unknown = field(JSON.parse(output), 'items')
      assert.ok(Array.isArray(items))
      const taken = items.map((item) => `${field(item, 'kind')} ${field(item, 'metadata', 'name')}`)
      const listed = config.environments[name]?.objects.map((object) => `${object.kind} ${object.name}`) ?? []
      assert.deepEqual(taken.sort(), [...listed].sort())
    }
    assert.equal(config.environments.dev?.objects.length, 6)
  })
