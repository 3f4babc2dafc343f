import assert from 'node:assert/strict'
import { test } from 'node:test'
import { lockDigest, lockDigestV2 } from '../../../../packager/render/helm/lock-digest.ts'

const repository = 'https://kubernetes-charts.storage.googleapis.com/'
const asked = {
  tags: ['wordpress-database'],
  name: 'mariadb',
  version: '4.x.x',
  repository,
  condition: 'mariadb.enabled',
}

test('the digest of a lock that Helm 2 wrote is the one that stands in a published chart', () => {
  const published = 'sha256:82a0e5374376169d2ecf7d452c18a2ed93507f5d17c3393a1457f9ffad7e9b26'
  assert.equal(lockDigestV2([asked]), published)
  assert.notEqual(lockDigestV2([{ ...asked, version: '4.3.x' }]), published)
})

test('what is empty, and the order in which fields are written, do not count; what was locked does', () => {
  const locked = { name: 'mariadb', repository, version: '4.3.1' }
  const digest = lockDigest([asked], [locked])
  const other = Object.fromEntries(Object.entries(asked).toReversed())
  assert.equal(lockDigest([{ ...other, alias: '', enabled: false, 'import-values': [] }], [locked]), digest)
  for (const change of [{ alias: 'db' }, { enabled: true }, { 'import-values': ['a'] }, { version: '5.x.x' }])
    assert.notEqual(lockDigest([{ ...asked, ...change }], [locked]), digest)
  assert.notEqual(lockDigest([asked], [{ ...locked, version: '4.3.2' }]), digest)
})
