import assert from 'node:assert/strict'
import { test } from 'node:test'
import { proxyOf } from '../../../cli/registry.ts'
import { hasCode } from '../../../contract/errors.ts'
import { bypassesProxy } from '../../../contract/registry/no-proxy.ts'

for (const [noProxy, direct, proxied] of [
  ['example.com', ['https://example.com', 'https://r.example.com:5000'], ['https://badexample.com', 'https://com']],
  ['.example.com', ['https://r.example.com'], ['https://example.com']],
  ['*.Example.com', ['https://r.example.com'], ['https://example.com']],
  ['example.com:5000', ['https://example.com:5000'], ['https://example.com', 'https://example.com:50']],
  ['example.com:443', ['https://example.com'], ['http://example.com']],
  [' a.org , 10.0.0.0/8', ['https://10.1.2.3:5000', 'https://a.org'], ['https://11.0.0.1', 'https://a.com']],
  ['10.1.2.3', ['https://10.1.2.3'], ['https://10.1.2.30', 'https://x.10.1.2.3.org']],
  ['fd00::/8,[::1]:80', ['https://[fd00::1]', 'http://[::1]'], ['https://[fe00::1]', 'https://[::1]']],
  ['*', ['https://anything.example'], []],
  ['', [], ['https://example.com']],
  ['10.0.0.0/99,/,300.1.1.1/8', [], ['https://10.0.0.1', 'https://example.com']],
] as const)
  test(`NO_PROXY=${noProxy} means to us what it means to oras`, () => {
    for (const url of direct) assert.ok(bypassesProxy(noProxy, new URL(url)), url)
    for (const url of proxied) assert.ok(!bypassesProxy(noProxy, new URL(url)), url)
  })

test('proxies are read as Go reads them, and one that is none is told by its name alone', () => {
  const { http, https, no } = proxyOf({
    HTTPS_PROXY: 'proxy.example.com:3128',
    http_proxy: '',
    NO_PROXY: 'example.com',
  })
  assert.deepEqual([http, https], [undefined, 'http://proxy.example.com:3128'])
  for (const url of ['https://127.0.0.1:5000', 'https://localhost', 'https://[::1]', 'https://example.com'])
    assert.ok(bypassesProxy(no, new URL(url)), url)
  assert.throws(
    () => proxyOf({ HTTPS_PROXY: 'ftp://ada:hunter2@proxy.example.com' }),
    (error) => hasCode(error, 'USAGE') && /^HTTPS_PROXY/.test(error.message) && !error.message.includes('hunter2'),
  )
})
