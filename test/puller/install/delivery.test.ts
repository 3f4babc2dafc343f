import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deliveryName, deliveryObject } from '../../../puller/install/delivery.ts'

test('a Delivery follows the channel that it is told, as the account that it is told', () => {
  const place = { name: 'shop', namespace: 'team' }
  assert.deepEqual(deliveryObject({ ...place, followed: 'registry.example.com/acme/shop:production' }).spec, {
    source: { repository: 'registry.example.com/acme/shop', channel: 'production' },
  })
  const options = { ...place, followed: 'localhost:5000/shop:stable', account: 'shipper', adopt: 'always' as const }
  assert.deepEqual(deliveryObject(options).spec, {
    source: { repository: 'localhost:5000/shop', channel: 'stable' },
    serviceAccountName: 'shipper',
    adopt: 'always',
  })
})

test('what is not a channel of a repository is refused, with an example', () => {
  const digest = `sha256:${'0'.repeat(64)}`
  for (const end of ['', ':1.4.2', ':v1', `@${digest}`, `:production@${digest}`]) {
    const followed = `registry.example.com/acme/shop${end}`
    assert.throws(() => deliveryObject({ name: 'shop', namespace: 'team', followed }), { code: 'USAGE' }, followed)
  }
  assert.throws(() => deliveryObject({ name: 'shop', namespace: 'team', followed: 'shop:production' }), {
    code: 'REFERENCE_INVALID',
  })
})

test('a Delivery is called as the last part of its repository, in letters that a name can have', () => {
  assert.equal(deliveryName('registry.example.com/acme/shop:production'), 'shop')
  assert.equal(deliveryName('registry.example.com/acme/web_shop.v2:production'), 'web-shop-v2')
  assert.equal(deliveryName(`registry.example.com/${'a'.repeat(62)}--b:production`), 'a'.repeat(62))
})
