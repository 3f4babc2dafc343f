import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { request } from 'undici'
import { field } from './cluster.ts'
import { scratchDirectory } from './process.ts'
import { REGISTRY_KINDS, startRegistry } from './registry.ts'
import { useTools } from './tools.ts'

const run = promisify(execFile)

for (const kind of REGISTRY_KINDS) {
  test(`what oras pushed to the ${kind} registry is there again after it was stopped and started`, async (t) => {
    const { oras } = await useTools('oras')
    const registry = await startRegistry({ kind })
    t.after(registry.stop)
    const cwd = scratchDirectory('push')
    writeFileSync(join(cwd, 'note.txt'), 'hello')
    const reference = `${registry.host}/acme/notes:1`
    await run(oras, ['push', '--plain-http', reference, 'note.txt'], { cwd })
    await run(oras, ['attach', '--plain-http', '--artifact-type', 'example/seal', reference, 'note.txt'], { cwd })
    await registry.stop()
    await assert.rejects(request(`http://${registry.host}/v2/`, { reset: true }))
    await registry.start()
    mkdirSync(join(cwd, 'out'))
    await run(oras, ['pull', '--plain-http', '--output', 'out', reference], { cwd })
    assert.equal(readFileSync(join(cwd, 'out', 'note.txt'), 'utf8'), 'hello')
    const { stdout } = await run(oras, ['discover', '--plain-http', '--format', 'json', reference], { cwd })
    const referrers = field(JSON.parse(stdout), 'referrers')
    assert.equal(Array.isArray(referrers) && referrers.length, 1)
  })

  test(`the ${kind} registry with a login refuses strangers and takes a push after oras login`, async (t) => {
    const { oras } = await useTools('oras')
    const registry = await startRegistry({ kind, auth: { user: 'ci', password: 'correct horse' } })
    t.after(registry.stop)
    const cwd = scratchDirectory('push')
    writeFileSync(join(cwd, 'note.txt'), 'hello')
    const config = join(cwd, 'config.json')
    const push = ['push', '--plain-http', '--registry-config', config, `${registry.host}/acme/notes:1`, 'note.txt']
    await assert.rejects(run(oras, push, { cwd }), /401|basic credential|authentication required|unauthorized/i)
    const login = run(oras, [
      'login',
      '--plain-http',
      '--registry-config',
      config,
      '-u',
      'ci',
      '--password-stdin',
      registry.host,
    ])
    login.child.stdin?.end('correct horse')
    await login
    await run(oras, push, { cwd })
  })
}

test('only the referrers registry has the referrers API', async (t) => {
  const { oras } = await useTools('oras')
  const empty = 'acme/notes/referrers/sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a'
  const status: Record<string, number> = {}
  for (const kind of REGISTRY_KINDS) {
    const registry = await startRegistry({ kind })
    t.after(registry.stop)
    await run(oras, ['push', '--plain-http', `${registry.host}/acme/notes:1`])
    const answer = await request(`http://${registry.host}/v2/${empty}`, { reset: true })
    await answer.body.dump()
    status[kind] = answer.statusCode
  }
  assert.deepEqual(status, { distribution: 404, referrers: 200 })
})
