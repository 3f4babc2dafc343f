import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseDigest } from '../../../contract/digest.ts'
import { WaybillError } from '../../../contract/errors.ts'
import type { TagLister, TagResolver } from '../../../contract/registry/registry.ts'
import { deliverySpecSchema } from '../../../puller/kinds.ts'
import { resolve } from '../../../puller/source/resolve.ts'

const ONE = parseDigest(`sha256:${'1'.repeat(64)}`)
const repository = 'registry.example.com/acme/shop'

/** A registry that lists these tags, and has a digest for those of `there`. */
const registry = (listed: readonly string[], there: readonly string[] = listed): TagResolver & TagLister => ({
  listTags: async () => listed,
  resolveTag: async (_repository, tag) => {
    if (!there.includes(tag)) throw new WaybillError('REGISTRY_NOT_FOUND', 'HEAD https://…: answers 404')
    return ONE
  },
})
const ask = (source: Readonly<Record<string, string>>, tags: TagResolver & TagLister) =>
  resolve(deliverySpecSchema.parse({ source: { repository, ...source }, environment: 'production' }), tags)

test('a channel that does not exist is told as the channel that was not found, with the repository', async () => {
  await assert.rejects(ask({ channel: 'prodution' }, registry(['production'])), (error) => {
    assert.ok(error instanceof WaybillError)
    assert.deepEqual(
      [error.code, error.message],
      ['REGISTRY_NOT_FOUND', 'registry.example.com/acme/shop: channel prodution was not found'],
    )
    assert.match(error.hint, /spelt .*spec\.source.*waybill promote/)
    return true
  })
  assert.equal((await ask({ channel: 'production' }, registry(['production']))).digest, ONE)
})

test('a version that does not exist is told by its name, one that no tag satisfies by its range', async () => {
  const said = (code: string, message: string) => ({ code, message: `${repository}: ${message}` })
  await assert.rejects(ask({ version: '1.4.3' }, registry(['1.4.2'])), {
    ...said('VERSION_UNMATCHED', 'version 1.4.3 was not found'),
  })
  await assert.rejects(ask({ version: '^2' }, registry(['1.4.2'])), {
    ...said('VERSION_UNMATCHED', 'no tag is a version in ^2'),
  })
  await assert.rejects(ask({ version: '^1' }, registry(['1.4.2'], [])), {
    ...said('REGISTRY_NOT_FOUND', 'version 1.4.2 was not found'),
  })
})

test('a registry that cannot be asked is not taken for one without the channel', async () => {
  const away: TagResolver & TagLister = {
    ...registry([]),
    resolveTag: async () => {
      throw new WaybillError('REGISTRY_UNREACHABLE', 'no route')
    },
  }
  await assert.rejects(ask({ channel: 'production' }, away), { code: 'REGISTRY_UNREACHABLE', message: 'no route' })
})
