import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hasCode } from '../../../contract/errors.ts'
import { nearnessOfAddress, nearnessOfHost } from '../../../contract/registry/address.ts'
import { parseChallenges } from '../../../contract/registry/challenge.ts'
import { createConnections } from '../../../contract/registry/connections.ts'
import { ask } from '../../../contract/registry/http.ts'
import { startFakeRegistry } from '../../fakes/registry.ts'

const from = new URL('https://registry.example.com/v2/')

function refuses(to: string, origin = from): void {
  const connections = createConnections({})
  assert.throws(
    () => connections.toward(origin, new URL(to)),
    (error) => hasCode(error, 'REGISTRY_REDIRECT'),
    to,
  )
}

test('a registry on the network cannot send readers to this machine or to metadata addresses', () => {
  for (const host of ['localhost', 'a.localhost', '127.0.0.1', '127.1.2.3', '0.0.0.0', '[::1]', '[::]', '2130706433'])
    refuses(`https://${host}/`)
  for (const host of [
    '169.254.169.254',
    '[fe80::1]',
    '[fd00:ec2::254]',
    '[::ffff:169.254.169.254]',
    '[::ffff:127.0.0.1]',
  ])
    refuses(`https://${host}/`)
})

test('a registry with TLS cannot send readers to plain HTTP, or to an address with a login in it', () => {
  refuses('http://storage.example.com/')
  refuses('https://user:secret@storage.example.com/')
})

test('a registry may send readers to other storage on the network', async () => {
  const connections = createConnections({})
  assert.ok(connections.toward(from, new URL('https://storage.example.com/bucket')))
  assert.ok(connections.toward(from, new URL('https://10.1.2.3/bucket')))
  await connections.close()
})

test('a name that DNS gives an address of this machine is refused when connecting', async () => {
  const fake = await startFakeRegistry()
  const connections = createConnections({})
  const plain = new URL('http://registry.example.com/')
  const dispatcher = connections.toward(plain, new URL('http://storage.example.com/'))
  const url = new URL(`http://localhost:${fake.host.split(':')[1]}/v2/`)
  await assert.rejects(ask({ method: 'GET', url, dispatcher, signal: AbortSignal.timeout(5000) }), (error) =>
    hasCode(error, 'REGISTRY_REDIRECT'),
  )
  assert.deepEqual(fake.requests, [])
  await connections.close()
  await fake.close()
})

test('IPv4 inside IPv6 counts as what it is', () => {
  assert.equal(nearnessOfAddress('::ffff:127.0.0.1'), 'loopback')
  assert.equal(nearnessOfAddress('::ffff:a9fe:a9fe'), 'link-local')
  assert.equal(nearnessOfAddress('::ffff:10.0.0.1'), 'network')
  assert.equal(nearnessOfHost('registry.example.com'), 'network')
})

test('challenges are read as RFC 9110 writes them', () => {
  assert.deepEqual(parseChallenges('Bearer realm="https://a/t",service="s, x",scope="r:p:pull"'), [
    { scheme: 'bearer', parameters: { realm: 'https://a/t', service: 's, x', scope: 'r:p:pull' } },
  ])
  assert.deepEqual(
    parseChallenges('Basic realm="a", Bearer realm=b').map(({ scheme }) => scheme),
    ['basic', 'bearer'],
  )
  assert.deepEqual(parseChallenges('Bearer realm="open'), [{ scheme: 'bearer', parameters: {} }])
  assert.deepEqual(parseChallenges('"'), [])
})
