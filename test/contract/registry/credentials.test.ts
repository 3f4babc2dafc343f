import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { hasCode } from '../../../contract/errors.ts'
import { dockerConfigCredentials } from '../../../contract/registry/credentials.ts'
import { loginCredentials } from '../../../contract/registry/login.ts'

const dir = mkdtempSync(join(tmpdir(), 'waybill-login-'))
after(() => rmSync(dir, { recursive: true, force: true }))

const auth = (pair: string) => Buffer.from(pair).toString('base64')
const source = (config: object) => dockerConfigCredentials(Buffer.from(JSON.stringify(config)))

function configDir(config: object): string {
  const folder = mkdtempSync(join(dir, 'docker-'))
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config))
  return folder
}

test('a login is found by host and port, however the file spells it', async () => {
  for (const name of [
    'registry.example.com:5000',
    'https://registry.example.com:5000/v2/',
    'registry.example.com:5000/acme',
  ]) {
    const found = await source({ auths: { [name]: { auth: auth('robot:a:b') } } })('registry.example.com:5000')
    assert.deepEqual(found, { kind: 'basic', username: 'robot', password: 'a:b' })
  }
})

test('a login for another host or port is not sent', async () => {
  const find = source({ auths: { 'registry.example.com': { auth: auth('robot:x') } } })
  for (const host of [
    'registry.example.com:5000',
    'evil-registry.example.com',
    'registry.example.com.evil.org',
    'example.com',
  ])
    assert.equal(await find(host), undefined)
})

test('tokens that a login left are used as what they are', async () => {
  const find = source({ auths: { 'a.example.com': { identitytoken: 'i' }, 'b.example.com': { registrytoken: 'r' } } })
  assert.deepEqual(await find('a.example.com'), { kind: 'identityToken', token: 'i' })
  assert.deepEqual(await find('b.example.com'), { kind: 'registryToken', token: 'r' })
})

test('a pull secret that is not one is refused without being quoted', () => {
  for (const text of ['sesame-42', '{"auths":"sesame-42"}', '{"auths":{"a":{"auth":["sesame-42"]}}}'])
    assert.throws(
      () => dockerConfigCredentials(Buffer.from(text)),
      (error) => hasCode(error, 'SECRET_INVALID') && !`${error.stack} ${String(error.cause)}`.includes('sesame-42'),
    )
})

test('a pull secret cannot make the puller run a program', async () => {
  const find = source({ credsStore: 'evil', credHelpers: { 'a.example.com': 'evil' } })
  assert.equal(await find('a.example.com'), undefined)
})

test('without any login file one is anonymous; a file that was named must be there', async () => {
  assert.equal(await loginCredentials({ dockerConfigDir: join(dir, 'absent') })('a.example.com'), undefined)
  const named = loginCredentials({ registryConfig: join(dir, 'absent.json') })
  await assert.rejects(named('a.example.com'), (error) => hasCode(error, 'FILE_UNREADABLE'))
})

test('a credential helper is asked, and the file is next', async () => {
  const helper = join(dir, 'docker-credential-fake')
  writeFileSync(
    helper,
    '#!/bin/sh\nread host\nif [ "$host" = a.example.com ]; then echo \'{"Username":"robot","Secret":"s"}\'; elif [ "$host" = t.example.com ]; then echo \'{"Username":"<token>","Secret":"t"}\'; else echo "not found"; exit 1; fi\n',
  )
  chmodSync(helper, 0o755)
  const dockerConfigDir = configDir({ credsStore: 'fake', auths: { 'b.example.com': { auth: auth('file:x') } } })
  const find = loginCredentials({ dockerConfigDir, env: { PATH: `${dir}:${process.env.PATH}` } })
  assert.deepEqual(await find('a.example.com'), { kind: 'basic', username: 'robot', password: 's' })
  assert.deepEqual(await find('t.example.com'), { kind: 'identityToken', token: 't' })
  assert.deepEqual(await find('b.example.com'), { kind: 'basic', username: 'file', password: 'x' })
})

test('a helper’s name cannot be a path', async () => {
  const dockerConfigDir = configDir({ credsStore: '../../bin/sh' })
  assert.equal(await loginCredentials({ dockerConfigDir, env: { PATH: dir } })('a.example.com'), undefined)
})
