import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { pino } from 'pino'
import { runPuller } from '../../../puller/puller.ts'
import { waybillHere } from '../../cli/command.ts'
import { field } from '../../real/control-plane.ts'
import { configMap } from '../release-fixture.ts'
import { startWorld, type Tenant, type World } from '../world.ts'

let world: World
before(async () => {
  world = await startWorld()
})
after(() => world?.stop())

const channel = 'production'
const at = ({ namespace }: Tenant, name: string) => `/api/v1/namespaces/${namespace}/configmaps/${name}`
const greeting = (hello: string) => configMap('greeting', { hello })

async function reporting(spec: object = {}): Promise<Tenant> {
  const tenant = await world.tenant()
  tenant.publish(tenant.release('1', [greeting('world'), configMap('other', { k: 'v' })]), {
    version: '1.0.0',
    promotion: { channel, sequence: 1 },
  })
  await tenant.deliver({ drift: 'report', ...spec })
  assert.equal((await tenant.run()).ready, true)
  return tenant
}

const edit = async (tenant: Tenant, name: string, data: Record<string, string>) => {
  const contentType = 'application/merge-patch+json'
  const path = `${at(tenant, name)}?fieldManager=somebody`
  assert.equal((await world.plane.api('PATCH', path, { body: { data }, contentType })).status, 200)
}
const data = async (tenant: Tenant, name = 'greeting') =>
  field((await world.plane.api('GET', at(tenant, name))).body, 'data')
const drift = async (tenant: Tenant) => field(await tenant.delivery(), 'status', 'drift')

test('with drift: report nothing is changed; what differs, with its values and who took it, is said once until it ends', async () => {
  const tenant = await reporting()
  await edit(tenant, 'greeting', { hello: 'there' })
  await world.plane.api('DELETE', at(tenant, 'other'))
  assert.equal((await tenant.run()).ready, true)
  await tenant.run()
  assert.deepEqual(await data(tenant), { hello: 'there' })
  assert.equal((await world.plane.api('GET', at(tenant, 'other'))).status, 404)
  assert.equal(await tenant.kinds(), 'Intent Applied DriftDetected')
  const changes = (await tenant.records()).at(-1)?.changes?.listed ?? []
  assert.deepEqual(
    changes.map(({ action, object, fields, manager, operation, values }) => ({
      action,
      object: object.split('/')[1],
      fields,
      manager,
      operation,
      values,
    })),
    [
      {
        action: 'configure',
        object: 'greeting',
        fields: ['data.hello'],
        manager: 'somebody',
        operation: 'Update',
        values: [{ field: 'data.hello', declared: '"world"', found: '"there"' }],
      },
      {
        action: 'create',
        object: 'other',
        fields: undefined,
        manager: undefined,
        operation: undefined,
        values: undefined,
      },
    ],
  )
  assert.match(changes[0]?.since ?? '', /^\d{4}-/)
  assert.equal(field(await drift(tenant), 'objects'), 2)
  assert.equal((await tenant.condition('Drifted'))?.status, 'True')
})

test('drift ends when a person puts it back, object by object, and the record says so', async () => {
  const tenant = await reporting()
  await edit(tenant, 'greeting', { hello: 'there' })
  await edit(tenant, 'other', { k: 'w' })
  await tenant.run()
  await edit(tenant, 'greeting', { hello: 'world' })
  await tenant.run()
  await tenant.run()
  assert.equal(await tenant.kinds(), 'Intent Applied DriftDetected DriftResolved')
  const last = (await tenant.records()).at(-1)
  assert.match(last?.trigger.reason ?? '', /as it was applied again/)
  assert.deepEqual(
    last?.changes?.listed.map(({ object }) => object.split('/')[1]),
    ['greeting'],
  )
  assert.equal((await tenant.condition('Drifted'))?.status, 'True', 'the other one still differs')
})

test('a puller that runs on sees drift begin and end by its watches', async () => {
  const tenant = await reporting()
  const end = new AbortController()
  const over = runPuller({
    kubeconfig: world.kubeconfig,
    cacheDir: tenant.cacheDir,
    plainHttp: true,
    onlyNamespaces: [tenant.namespace],
    log: pino({ level: 'silent' }),
    signal: end.signal,
  })
  const become = (kinds: string) =>
    world.plane
      .eventually(kinds, async () => (await tenant.kinds()) === kinds)
      .catch(async () => assert.equal(await tenant.kinds(), kinds))
  try {
    const idle = async () => field(await tenant.delivery(), 'status', 'conditions') !== undefined
    await world.plane.eventually('a status', idle)
    await edit(tenant, 'greeting', { hello: 'there' })
    await become('Intent Applied DriftDetected')
    await edit(tenant, 'greeting', { hello: 'world' })
    await become('Intent Applied DriftDetected DriftResolved')
    await world.plane.api('DELETE', at(tenant, 'other'))
    await become('Intent Applied DriftDetected DriftResolved DriftDetected')
  } finally {
    end.abort()
    await over
  }
})

test('an edit of the Delivery does not undo it; a release does, and is named as what ended it', async () => {
  const tenant = await reporting()
  await edit(tenant, 'greeting', { hello: 'there' })
  await tenant.run()
  await tenant.deliver({ drift: 'report', interval: '2h' })
  await tenant.run()
  assert.deepEqual(await data(tenant), { hello: 'there' })
  assert.equal(await tenant.kinds(), 'Intent Applied DriftDetected Unchanged')
  tenant.publish(tenant.release('2', [greeting('all'), configMap('other', { k: 'v' })]), {
    version: '1.1.0',
    promotion: { channel, sequence: 2 },
  })
  await tenant.run()
  assert.deepEqual(await data(tenant), { hello: 'all' })
  const last = (await tenant.records()).at(-1)
  assert.equal(last?.kind, 'DriftResolved')
  assert.equal(last?.trigger.reason, '1.1.0 was applied')
  assert.equal(await drift(tenant), undefined)
  assert.equal((await tenant.condition('Drifted'))?.status, 'False')
})

test('nor does an edit while an older release is held, which is no second step back either', async () => {
  const tenant = await reporting()
  const old = await tenant.delivery()
  tenant.publish(tenant.release('2', [greeting('all'), configMap('other', { k: 'v' })]), {
    version: '1.1.0',
    promotion: { channel, sequence: 2 },
  })
  await tenant.run()
  const hold = { digest: field(old, 'status', 'applied', 'digest') }
  await tenant.deliver({ drift: 'report', hold })
  await tenant.run()
  await edit(tenant, 'greeting', { hello: 'there' })
  await tenant.run()
  await tenant.deliver({ drift: 'report', hold, interval: '2h' })
  await tenant.run()
  assert.deepEqual(await data(tenant), { hello: 'there' })
  assert.match(await tenant.kinds(), / RolledBack DriftDetected Unchanged$/)
})

test('waybill adopt-drift prints what to bring back to Git, as YAML and as JSON patches, and no value of a Secret', async () => {
  const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'login' }, data: { password: 'ZGVjbGFyZWQ=' } }
  const tenant = await world.tenant()
  tenant.publish(tenant.release('1', [greeting('world'), configMap('other', { k: 'v' }), secret]), {
    promotion: { channel, sequence: 1 },
  })
  await tenant.deliver({ drift: 'report' })
  await tenant.run()
  await edit(tenant, 'greeting', { hello: 'there' })
  await world.plane.api('DELETE', at(tenant, 'other'))
  const path = `/api/v1/namespaces/${tenant.namespace}/secrets/login?fieldManager=somebody`
  const contentType = 'application/merge-patch+json'
  await world.plane.api('PATCH', path, { body: { data: { password: 'Zm91bmQ=' } }, contentType })
  await tenant.run()
  const adopt = async (...more: string[]) => {
    const place = ['-n', tenant.namespace, '--kubeconfig', world.plane.kubeconfig, '--plain-http']
    const ran = await waybillHere(['adopt-drift', 'app', ...place, ...more])
    assert.equal(ran.status, 0, ran.stderr)
    assert.ok(!/Zm91bmQ=|ZGVjbGFyZWQ=/.test(ran.stdout))
    return ran.stdout
  }
  const text = await adopt()
  assert.match(text, /^- {2}hello: world\n\+ {2}hello: there$/m)
  assert.match(text, /other was deleted/)
  assert.match(text, /login: data\.password: values of Secrets are not shown/)
  const { objects } = JSON.parse(await adopt('--output', 'json'))
  assert.deepEqual(objects[0].patch, [{ op: 'replace', path: '/data/hello', value: 'there' }])
  assert.equal(objects[1].action, 'delete')
  await tenant.deliver({ drift: 'correct' })
  await tenant.run()
  assert.match(await adopt(), /no drift/)
})

test('turned back to correct, it is put back', async () => {
  const tenant = await reporting()
  await edit(tenant, 'greeting', { hello: 'there' })
  await tenant.run()
  await tenant.deliver({ drift: 'correct' })
  await tenant.run()
  assert.deepEqual(await data(tenant), { hello: 'world' })
  assert.equal((await tenant.records()).at(-1)?.kind, 'DriftResolved')
})

test('what correct puts back is recorded with its values; of a Secret, never', async () => {
  const secret = (password: string) => ({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'login' },
    data: { password: Buffer.from(password).toString('base64') },
  })
  const tenant = await world.tenant()
  tenant.publish(tenant.release('1', [greeting('world'), secret('declared-secret')]), {
    promotion: { channel, sequence: 1 },
  })
  await tenant.deliver()
  await tenant.run()
  await edit(tenant, 'greeting', { hello: 'there' })
  const path = `/api/v1/namespaces/${tenant.namespace}/secrets/login?fieldManager=somebody`
  const contentType = 'application/merge-patch+json'
  await world.plane.api('PATCH', path, { body: { data: { password: 'Zm91bmQ=' } }, contentType })
  await tenant.run()
  const records = await tenant.records()
  assert.equal(records.at(-1)?.kind, 'DriftCorrected')
  assert.deepEqual(
    records.at(-1)?.changes?.listed.map(({ fields, values }) => ({ fields, values })),
    [
      { fields: ['data.hello'], values: [{ field: 'data.hello', declared: '"world"', found: '"there"' }] },
      { fields: ['data.password'], values: undefined },
    ],
  )
  const said = JSON.stringify([records, await tenant.delivery()])
  for (const value of ['Zm91bmQ=', 'declared-secret', secret('declared-secret').data.password])
    assert.ok(!said.includes(value))
})
