import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { loginCredentials } from '../../../contract/registry/login.ts'

const folder = mkdtempSync(join(tmpdir(), 'waybill-login-'))
after(() => rmSync(folder, { recursive: true }))
const env = { PATH: `${folder}:${process.env.PATH}`, COSIGN_PASSWORD: 'sesame-42', HELPED: 'yes' }
const host = 'registry.example.com'

/** A credential helper that runs this, and logins that name it. */
function helped(name: string, script: string) {
  writeFileSync(join(folder, `docker-credential-${name}`), `#!/bin/sh\n${script}\n`, { mode: 0o755 })
  const file = join(folder, `${name}.json`)
  writeFileSync(file, JSON.stringify({ credHelpers: { [host]: name } }))
  return loginCredentials({ registryConfig: file, env })
}

test('a credential helper is asked once, with the environment but for our own key’s password', async () => {
  const seen = join(folder, 'seen')
  const ask = helped('good', `cat >> ${seen}; env >> ${seen}; echo '{"Username":"robot","Secret":"s"}'`)
  for (let i = 0; i < 2; i++) assert.deepEqual(await ask(host), { kind: 'basic', username: 'robot', password: 's' })
  const text = readFileSync(seen, 'utf8')
  assert.equal(text.split(host).length, 2)
  assert.match(text, /HELPED=yes/)
  assert.doesNotMatch(text, /sesame-42/)
})

test('a helper that fails, or says nonsense, is no login', async () => {
  for (const [name, script] of [
    ['fails', 'echo denied >&2; exit 1'],
    ['nonsense', 'echo nonsense'],
    ['empty', `echo '{"Username":"robot","Secret":""}'`],
  ] as const)
    assert.equal(await helped(name, script)(host), undefined, name)
})

test('a helper that is not there is no login', async () => {
  const file = join(folder, 'absent.json')
  writeFileSync(file, JSON.stringify({ credHelpers: { [host]: 'absent' } }))
  assert.equal(await loginCredentials({ registryConfig: file, env })(host), undefined)
})

test('a helper whose own child floods the answer is no login, and nobody waits for it', {
  timeout: 20_000,
}, async () => {
  assert.equal(await helped('floods', 'yes &\nwait')(host), undefined)
})
