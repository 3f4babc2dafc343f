import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { parseAllDocuments } from 'yaml'
import { installObjects } from '../../../puller/install/install.ts'
import { listOf, printYaml } from '../../../puller/install/print.ts'
import { tenantObjects } from '../../../puller/install/tenant.ts'

const read = (text: string, version: '1.1' | '1.2') =>
  parseAllDocuments(text, { version }).map((document) => document.toJS())

describe('what install and tenant print', () => {
  test('reads back as the same objects, as YAML 1.1 and 1.2', () => {
    for (const objects of [installObjects({ crdsOnly: true }), tenantObjects({ name: 'on', account: 'y' })])
      for (const version of ['1.1', '1.2'] as const) assert.deepEqual(read(printYaml(objects), version), objects)
  })

  test('quotes names that YAML 1.1 takes for something else', () => {
    const names = ['on', 'no', 'y', '017', '1e3', '12:30:45', '0x1f', '1_000', 'null', '2026-11-21']
    for (const name of names)
      assert.match(
        printYaml([{ apiVersion: 'v1', kind: 'Namespace', metadata: { name } }]),
        new RegExp(`name: ["']${name}["']`),
      )
  })

  test('is one List as JSON', () => {
    const list = listOf(tenantObjects({ name: 'shop' }))
    assert.equal(list.kind, 'List')
    assert.equal(Array.isArray(list.items) && list.items.length, 6)
  })

  test('binds and admits the identity and the namespace that were asked for', () => {
    const text = printYaml(installObjects({ crdsOnly: true, namespace: 'ops', identity: "o'neil@example.com" }))
    assert.match(text, /kind: User/)
    assert.match(text, /o\\'neil@example\.com'/)
    assert.doesNotMatch(text, /waybill-system/)
    assert.match(printYaml(tenantObjects({ name: 'shop', pullerNamespace: 'ops' })), /namespace: ops/)
  })

  test('gives no right to impersonate but the tenant’s one account', () => {
    const rules = (text: string) => text.match(/impersonate/g)?.length ?? 0
    assert.equal(rules(printYaml(installObjects({ crdsOnly: true }))), 0)
    const guarded = printYaml(installObjects({ crdsOnly: true, guard: { groups: [] } }))
    assert.equal(rules(guarded), 1)
    assert.match(guarded, /resources:\n\s+- userextras\/waybill\.dev\/delivery\n\s+verbs:\n\s+- impersonate\n/)
    const objects = tenantObjects({ name: 'shop' })
    assert.equal(rules(printYaml(objects)), 1)
    assert.match(printYaml(objects), /resourceNames:\n\s+- waybill\n\s+verbs:\n\s+- get\n\s+- impersonate/)
  })
})
