import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { parseRepository } from '../../../contract/reference.ts'
import { ensureTools } from '../../../tools/build.ts'
import { assertFails, type Ran, waybillHere } from '../../cli/command.ts'
import { makeRepository, shopFiles } from '../../cli/repository.ts'
import { makeKey } from '../../fakes/keys.ts'
import { REGISTRY_KINDS, startRegistry } from '../../real/registry.ts'
import { tempFolder } from '../repository.ts'

/** Real registries that ask for a login, and the logins that `oras login` and `docker login` leave. */
const auth = { user: 'robot', password: 'sesame-42' }
const base64 = (text: string) => Buffer.from(text).toString('base64')
const { oras } = await ensureTools(['oras'])
const registries = await Promise.all(REGISTRY_KINDS.map((kind) => startRegistry({ kind, auth })))
after(() => Promise.all(registries.map((registry) => registry.stop())))

const folder = tempFolder()
const key = makeKey()
const keyFile = join(folder, 'release.pem')
writeFileSync(keyFile, key.pem)

let count = 0
/** A package of its own for each case, its policy, and the command line with a login in one place or the other. */
function settle(host: string, login: { readonly flags?: readonly string[]; readonly env?: Record<string, string> }) {
  const name = `${host}/acme/shop-${++count}`
  const repository = makeRepository(join(folder, `repository-${count}`))
  repository.commit(shopFiles(name))
  const policyFile = join(folder, `policy-${count}.json`)
  const by = { by: ['ci'] }
  const spec = {
    repositories: [name],
    authorities: [{ name: 'ci', key: { pem: key.publicKeyPem } }],
    require: { signature: by, provenance: by, release: by, promotion: by },
  }
  const policy = { apiVersion: 'waybill.dev/v1alpha1', kind: 'TrustPolicy', metadata: { name: 'shop' }, spec }
  writeFileSync(policyFile, JSON.stringify(policy))
  const run = (verb: string, ...args: readonly string[]) =>
    waybillHere([verb, ...args, '--plain-http', ...(login.flags ?? [])], { env: { WAYBILL_ORAS: oras, ...login.env } })
  return {
    name,
    publish: () => run('publish', '--repo', repository.folder, '--key', keyFile, '--version', '1.0.0'),
    promote: () => run('promote', `${name}:1.0.0`, '--to', 'production', '--key', keyFile),
    verify: () => run('verify', `${name}:production`, '--policy', policyFile),
    show: () => run('show', `${name}:1.0.0`),
  }
}

/** Neither the password nor what it is sent as. */
function assertNoSecret({ stdout, stderr }: Ran, password = auth.password): void {
  for (const text of [password, base64(password), base64(`${auth.user}:${password}`)])
    assert.ok(!`${stdout}${stderr}`.includes(text), `${stdout}${stderr}`)
}

function orasLogin(host: string, flags: readonly string[], env: Record<string, string> = {}): void {
  const args = ['login', host, '--username', auth.user, '--password-stdin', '--plain-http', ...flags]
  const { status, stderr } = spawnSync(oras, args, { input: auth.password, env, encoding: 'utf8' })
  assert.equal(status, 0, stderr)
}

/** The file that `docker login` writes. */
function dockerLogin(host: string, password: string): Record<string, string> {
  const dir = join(tempFolder(), '.docker')
  mkdirSync(dir)
  const config = { auths: { [host]: { auth: base64(`${auth.user}:${password}`) } } }
  writeFileSync(join(dir, 'config.json'), JSON.stringify(config, null, '\t'))
  return { DOCKER_CONFIG: dir }
}

for (const { kind, host } of registries) {
  test(`${kind}: a login by oras login, in a file of its own or at home, is enough to publish, promote and verify`, async () => {
    const config = join(tempFolder(), 'logins.json')
    orasLogin(host, ['--registry-config', config])
    const home = tempFolder()
    orasLogin(host, [], { HOME: home })
    const { publish, promote, verify } = settle(host, { flags: ['--registry-config', config] })
    for (const step of [publish, promote, verify, settle(host, { env: { HOME: home } }).publish]) {
      const ran = await step()
      assert.equal(ran.status, 0, ran.stderr)
      assertNoSecret(ran)
    }
  })

  test(`${kind}: a login by docker login is enough`, async () => {
    const { publish, promote, verify } = settle(host, { env: dockerLogin(host, auth.password) })
    for (const step of [publish, promote, verify]) assert.equal((await step()).status, 0)
  })

  test(`${kind}: without a login, or with a wrong one, everything is REGISTRY_AUTH, and nothing is written`, async () => {
    const wrong = 'not-sesame-43'
    for (const login of [{}, { env: dockerLogin(host, wrong) }]) {
      const { name, publish, promote, verify, show } = settle(host, login)
      for (const step of [publish, promote, verify, show]) {
        const ran = await step()
        assertFails(ran, 1, 'REGISTRY_AUTH')
        assert.match(ran.stderr, /oras login|docker login/)
        assertNoSecret(ran)
        assertNoSecret(ran, wrong)
      }
      const { registry, path } = parseRepository(name)
      const headers = { authorization: `Basic ${base64(`${auth.user}:${auth.password}`)}` }
      const answer = await fetch(`http://${registry}/v2/${path}/tags/list`, { headers })
      assert.equal(answer.status, 404, await answer.text())
    }
  })

  test(`${kind}: a login that reads and does not write is REGISTRY_AUTH at the first write`, async () => {
    const { DOCKER_CONFIG = '' } = dockerLogin(host, auth.password)
    const { DOCKER_CONFIG: stranger = '' } = dockerLogin(host, 'not-sesame-43')
    const script = join(tempFolder(), 'oras')
    writeFileSync(script, `#!/bin/sh\nDOCKER_CONFIG=${stranger} exec ${oras} "$@"\n`, { mode: 0o755 })
    const ran = await settle(host, { env: { DOCKER_CONFIG, WAYBILL_ORAS: script } }).publish()
    assertFails(ran, 1, 'REGISTRY_AUTH')
    assertNoSecret(ran)
  })
}
