import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { connectCluster } from '../../../puller/cluster/cluster.ts'
import { Access } from '../../../puller/cluster/cluster-access.ts'
import { mountedCredentials } from '../../../puller/cluster/mounted.ts'

const root = mkdtempSync(join(tmpdir(), 'waybill-mounted-'))
const directory = join(root, 'serviceaccount')
const write = (name: string, text: string) => writeFileSync(join(directory, name), text)
before(() => {
  mkdirSync(directory, { recursive: true })
  write('token', 'first\n')
  write('ca.crt', 'no certificate')
  write('namespace', 'team-a\n')
})
after(() => rmSync(root, { recursive: true }))

test('a pod’s token that was replaced is read again as soon as the old one is not taken', async () => {
  const access = new Access(mountedCredentials(directory))
  assert.equal((await access.current()).headers.Authorization, 'Bearer first')
  write('token', 'second\n')
  assert.equal((await access.current()).headers.Authorization, 'Bearer first')
  access.renew()
  assert.equal((await access.current()).headers.Authorization, 'Bearer second')
  rmSync(join(directory, 'token'))
  access.renew()
  await assert.rejects(access.current(), { code: 'CLUSTER_AUTH' })
  write('token', 'third')
  assert.equal((await access.current()).headers.Authorization, 'Bearer third', 'and a failure is not kept')
  await access.close()
})

test('certificates of a cluster that were replaced count for the next connections', async () => {
  const access = new Access(mountedCredentials(directory))
  const before = (await access.current()).dispatcher
  access.renew()
  assert.equal((await access.current()).dispatcher, before)
  write('ca.crt', 'another')
  access.renew()
  assert.notEqual((await access.current()).dispatcher, before)
  await access.close()
})

test('a mounted service account says where the API server and the namespace are, and a folder without one is named', async () => {
  write('token', 'first')
  const mounted = { directory, host: 'fd00::1', port: '6443' }
  const cluster = connectCluster({ serviceAccount: mounted })
  assert.deepEqual([cluster.server, cluster.defaultNamespace], ['https://[fd00::1]:6443', 'team-a'])
  await cluster.close()
  for (const name of ['token', 'ca.crt', 'namespace']) {
    const empty = mkdtempSync(join(root, 'lacks-'))
    for (const other of ['token', 'ca.crt', 'namespace']) if (other !== name) writeFileSync(join(empty, other), 'x')
    assert.throws(() => connectCluster({ serviceAccount: { ...mounted, directory: empty } }), {
      code: 'CLUSTER_CONFIG',
    })
  }
})
