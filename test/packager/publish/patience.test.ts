import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { parseRepository } from '../../../contract/reference.ts'
import { createRegistryReader } from '../../../contract/registry/registry-client.ts'
import { patient } from '../../../packager/publish/patience.ts'
import { startFakeRegistry } from '../../fakes/registry.ts'
import { fails } from './publish-suite.ts'

async function settle(t: TestContext) {
  const registry = await startFakeRegistry()
  const connection = createRegistryReader({ plainHttp: true })
  t.after(async () => {
    await connection.close()
    await registry.close()
  })
  const digest = registry.putManifest('acme/shop', Buffer.from('{"schemaVersion":2}'), { tag: 'x' })
  const waits: number[] = []
  const said: string[] = []
  const wait = async (ms: number) => void waits.push(ms)
  const reader = patient(connection, { wait, onStep: (step) => said.push(step) })
  const limit = (times: number, headers: Readonly<Record<string, string>> = {}) =>
    registry
      .when('HEAD', /manifests/)
      .times(times)
      .status(429, headers)
  const repository = parseRepository(`${registry.host}/acme/shop`)
  return { registry, digest, waits, said, limit, resolve: () => reader.resolveTag(repository, 'x') }
}

test('a registry that asks to come back is asked again when it said, in seconds or by the clock', async (t) => {
  const { digest, waits, said, limit, resolve } = await settle(t)
  for (const [headers, ms] of [
    [{ 'retry-after': '7' }, 7000],
    [{ 'retry-after': 'Sat, 21 Nov 2026 10:00:30 GMT', date: 'Sat, 21 Nov 2026 10:00:00 GMT' }, 30_000],
  ] as const) {
    limit(1, headers)
    assert.equal(await resolve(), digest)
    assert.equal(waits.at(-1), ms)
  }
  assert.deepEqual(said, ['the registry asks to come back in 7 s', 'the registry asks to come back in 30 s'])
})

test('one that does not say when is asked again later each time, and given up in the end', async (t) => {
  const { digest, waits, limit, resolve } = await settle(t)
  limit(4)
  assert.equal(await resolve(), digest)
  assert.deepEqual(waits, [1000, 2000, 4000, 8000])
  limit(5)
  await fails(resolve(), 'REGISTRY_RATE_LIMITED')
})

test('nobody waits for longer than a minute, or for what is no rate limit', async (t) => {
  const { registry, waits, limit, resolve } = await settle(t)
  limit(1, { 'retry-after': '61' })
  await fails(resolve(), 'REGISTRY_RATE_LIMITED')
  registry
    .when('HEAD', /manifests/)
    .times(1)
    .status(503, { 'retry-after': '1' })
  await fails(resolve(), 'REGISTRY_FAILED')
  assert.deepEqual(waits, [])
})
