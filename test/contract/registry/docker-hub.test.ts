import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { digestOf } from '../../../contract/digest.ts'
import { parseReference } from '../../../contract/reference.ts'
import { dockerConfigCredentials } from '../../../contract/registry/credentials.ts'
import { loginCredentials } from '../../../contract/registry/login.ts'
import { createRegistryReader } from '../../../contract/registry/registry-client.ts'

test('an image on docker.io is asked for where Docker Hub answers', async (t) => {
  const asked: string[] = []
  const proxy = createServer((request, response) => {
    asked.push(`${request.method} ${request.headers.host}${request.url?.replace(/^http:\/\/[^/]*/, '')}`)
    response.writeHead(200, { 'docker-content-digest': digestOf('nginx') }).end()
  })
  proxy.on('connect', (_request, socket) => {
    socket.write('HTTP/1.1 200 OK\r\n\r\n')
    proxy.emit('connection', socket)
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  const address = proxy.address()
  const http = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`
  const reader = createRegistryReader({ plainHttp: true, proxy: { http } })
  t.after(async () => {
    await reader.close()
    proxy.closeAllConnections()
    proxy.close()
  })
  assert.equal(await reader.resolveTag(parseReference('docker.io/library/nginx:1.27'), '1.27'), digestOf('nginx'))
  assert.deepEqual(asked, ['HEAD registry-1.docker.io/v2/library/nginx/manifests/1.27'])
})

test('a login that `docker login` kept for Docker Hub is found, in the file and in a helper', async (t) => {
  const login = { auth: Buffer.from('ada:sesame').toString('base64') }
  const found = { kind: 'basic', username: 'ada', password: 'sesame' }
  const kept = (auths: object) => dockerConfigCredentials(Buffer.from(JSON.stringify({ auths })))
  for (const name of ['https://index.docker.io/v1/', 'docker.io', 'registry-1.docker.io']) {
    assert.deepEqual(await kept({ [name]: login })('docker.io'), found)
    if (name !== 'docker.io') assert.equal(await kept({ [name]: login })('example.com'), undefined)
  }
  assert.equal(await kept({ 'https://index.docker.io.evil.org/': login })('docker.io'), undefined)

  const folder = mkdtempSync(join(tmpdir(), 'waybill-hub-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const answer = '{"Username":"ada","Secret":"sesame"}'
  const helper = `#!/bin/sh\nread -r name\n[ "$name" = https://index.docker.io/v1/ ] && echo '${answer}'\n`
  writeFileSync(join(folder, 'docker-credential-hub'), helper)
  chmodSync(join(folder, 'docker-credential-hub'), 0o755)
  writeFileSync(join(folder, 'config.json'), '{"credsStore":"hub"}')
  const env = { PATH: `${folder}:${process.env.PATH}` }
  assert.deepEqual(await loginCredentials({ dockerConfigDir: folder, env })('docker.io'), found)
})
