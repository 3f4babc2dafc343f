import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { digestOf } from '../../../contract/digest.ts'
import { systemClock } from '../../../puller/clock.ts'
import { createHooks } from '../../../puller/http/hooks.ts'
import { type Asked, listen, type Reply } from '../../../puller/http/http.ts'
import { startRegistry } from '../../real/registry.ts'

const SECRET = 'a secret of the registry'

/** A blob and a manifest that names it, tagged, as any client pushes them. */
async function push(host: string, repository: string): Promise<void> {
  const config = Buffer.from('{}')
  const digest = digestOf(config)
  const begun = await fetch(`http://${host}/v2/${repository}/blobs/uploads/`, { method: 'POST' })
  const to = new URL(begun.headers.get('location') ?? '', `http://${host}`)
  to.searchParams.set('digest', digest)
  assert.equal((await fetch(to, { method: 'PUT', body: config })).status, 201)
  const mediaType = 'application/vnd.oci.image.manifest.v1+json'
  const descriptor = { mediaType: 'application/vnd.oci.empty.v1+json', digest, size: config.length }
  const manifest = JSON.stringify({ schemaVersion: 2, mediaType, config: descriptor, layers: [descriptor] })
  const put = await fetch(`http://${host}/v2/${repository}/manifests/production`, {
    method: 'PUT',
    headers: { 'content-type': mediaType },
    body: manifest,
  })
  assert.equal(put.status, 201)
}

test('a real registry tells of a push, with the secret that it was given, and its telling of reads leads to nothing', async (t) => {
  const told: string[] = []
  /** What each request told of, and of how many repositories it made us look. */
  const requests: { actions: string; status: number; looks: number }[] = []
  const hooks = createHooks({
    secret: async () => SECRET,
    lookSooner: (repositories) => told.push(...repositories),
    clock: systemClock,
  })
  const answer = async (asked: Asked): Promise<Reply> => {
    const before = told.length
    const reply = await hooks('distribution', asked)
    const actions = [
      ...Buffer.from(asked.body)
        .toString('utf8')
        .matchAll(/"action":\s*"(\w+)"/g),
    ].map(([, one]) => one)
    requests.push({ actions: [...new Set(actions)].join(), status: reply.status, looks: told.length - before })
    return reply
  }
  const listener = await listen({ host: '127.0.0.1', port: 0 }, answer, {
    takesBody: () => true,
    onFault: (error) => assert.fail(String(error)),
  })
  t.after(() => listener.close())
  const url = `http://127.0.0.1:${listener.address.port}/hooks/distribution`
  const registry = await startRegistry({ kind: 'distribution', notify: { url, authorization: `Bearer ${SECRET}` } })
  t.after(() => registry.stop())
  const seen = async (action: string) => {
    for (let i = 0; i < 100 && !requests.some(({ actions }) => actions === action); i++) await delay(100)
    return requests.filter(({ actions }) => actions === action)
  }
  await push(registry.host, 'acme/shop')
  assert.ok((await seen('push')).every(({ looks }) => looks === 1))
  assert.deepEqual([...new Set(told)], ['acme/shop'])
  const headers = { accept: 'application/vnd.oci.image.manifest.v1+json' }
  const read = await fetch(`http://${registry.host}/v2/acme/shop/manifests/production`, { headers })
  assert.equal(read.status, 200)
  assert.deepEqual(
    (await seen('pull')).map(({ looks }) => looks),
    [0],
  )
  assert.ok(requests.every(({ status }) => status === 202))
})
