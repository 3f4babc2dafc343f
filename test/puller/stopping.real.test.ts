import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { field } from '../real/control-plane.ts'
import { type Service, startService } from '../real/process.ts'
import { startKillProxy } from './kill-proxy.ts'
import { leaseOf } from './leader/replicas.ts'
import { configMap } from './release-fixture.ts'
import { startWorld, type Tenant, type World } from './world.ts'

/** What a node gives a container between SIGTERM and SIGKILL is 30 s: the puller has ended long before, whatever hangs. */
const boundMs = 20_000
const waybill = join(import.meta.dirname, '..', '..', 'cli', 'waybill.js')

let world: World
before(async () => {
  world = await startWorld()
})
after(() => world?.stop())

async function startPuller(tenant: Tenant, kubeconfig: string, elects: boolean): Promise<Service> {
  const flags = ['--kubeconfig', kubeconfig, '--only-namespace', tenant.namespace, '--cache-dir', tenant.cacheDir]
  return startService({
    command: process.execPath,
    args: [waybill, 'puller', ...flags, '--plain-http', ...(elects ? ['--leader-elect'] : [])],
    log: join(world.plane.directory, `${tenant.namespace}-stopping.log`),
  })
}

/** SIGTERM, and how it ended; fails where it had to be killed. */
async function terminated(puller: Service): Promise<string | undefined> {
  const ended = puller.kill('SIGTERM').then(() => true)
  const inTime = await Promise.race([ended, delay(boundMs, false, { ref: false })])
  if (!inTime) await puller.kill('SIGKILL')
  assert.ok(inTime, `still there after SIGTERM:\n${readFileSync(puller.log, 'utf8')}`)
  return puller.ended()
}

for (const elects of [true, false])
  describe(elects ? 'with leader election' : 'without leader election', () => {
    test('SIGTERM ends a puller whose write the API server never answers, and the next one loses nothing', async (t) => {
      const tenant = await world.tenant()
      const token = JSON.parse(readFileSync(world.kubeconfig, 'utf8')).users[0].user.token
      const held = Promise.withResolvers<void>()
      const proxy = await startKillProxy(world.plane, {
        token,
        at: undefined,
        kill: () => {},
        hold: (line) => {
          if (
            !/^(?:POST|PATCH) .*\/configmaps/.test(line) ||
            !line.includes(tenant.namespace) ||
            line.includes('dryRun')
          )
            return undefined
          held.resolve()
          return new Promise(() => {})
        },
      })
      t.after(() => proxy.close())
      tenant.publish(tenant.release('1', [configMap('greeting', { hello: 'one' })]), {
        promotion: { channel: 'production', sequence: 1 },
      })
      await tenant.deliver()
      const puller = await startPuller(tenant, proxy.kubeconfig, elects)
      await held.promise
      assert.equal(await terminated(puller), 'exit status 0')
      if (elects) assert.equal(field(await leaseOf(world, tenant), 'holderIdentity'), '')
      assert.equal((await tenant.run()).ready, true)
    })

    test('SIGTERM ends a puller whose registry never answers', async () => {
      const tenant = await world.tenant()
      tenant.publish(tenant.release('1', [configMap('greeting', { hello: 'one' })]), {
        promotion: { channel: 'production', sequence: 1 },
      })
      world.registry.when('GET', new RegExp(`${tenant.namespace}.*blobs`)).stall()
      await tenant.deliver()
      const puller = await startPuller(tenant, world.kubeconfig, elects)
      await world.plane.eventually('a blob is asked for', async () =>
        world.registry.requests.some((line) => line.includes(`${tenant.namespace}/shop/blobs`)),
      )
      assert.equal(await terminated(puller), 'exit status 0')
      world.registry.behave()
    })

    test('SIGTERM ends a puller whose API server answers nothing from the beginning', async (t) => {
      const asked = Promise.withResolvers<void>()
      const tenant = await world.tenant()
      const hold = () => {
        asked.resolve()
        return new Promise<never>(() => {})
      }
      const proxy = await startKillProxy(world.plane, { token: 'any', at: undefined, kill: () => {}, hold })
      t.after(() => proxy.close())
      const puller = await startPuller(tenant, proxy.kubeconfig, elects)
      await asked.promise
      assert.match((await terminated(puller)) ?? '', /^exit status/)
    })
  })
