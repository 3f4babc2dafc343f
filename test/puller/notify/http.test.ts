import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { hasCode } from '../../../contract/errors.ts'
import { createSender } from '../../../puller/notify/http.ts'
import { startReceiver } from '../say/receiver.ts'

const ends: (() => Promise<void>)[] = []
after(async () => {
  for (const end of ends) await end()
})
function sender(options: Parameters<typeof createSender>[0] = {}) {
  const one = createSender(options)
  ends.push(() => one.close())
  return (url: string) => one.send(new URL(url), {}, '{}', AbortSignal.timeout(10_000))
}

for (const [what, url] of Object.entries({
  'plain HTTP': 'http://hooks.example.com/x',
  'this machine': 'https://127.0.0.1/x',
  'this machine, by its name': 'https://localhost/x',
  'this machine, in IPv6': 'https://[::1]/x',
  'this machine, as IPv4 inside IPv6': 'https://[::ffff:127.0.0.1]/x',
  'this machine, as a number': 'https://2130706433/x',
  'the address where clouds tell secrets': 'https://169.254.169.254/latest/meta-data',
  'its name at Google': 'https://metadata.google.internal/x',
  'a link-local address': 'https://[fe80::1]/x',
}))
  test(`notifications do not go to ${what}`, async () => {
    await assert.rejects(sender()(url), (error) => hasCode(error, 'NOTIFICATION_REFUSED'))
  })

test('a redirect is not followed: it is an answer like any other', async () => {
  const [receiver, other] = [await startReceiver(), await startReceiver()]
  ends.push(receiver.close, other.close)
  receiver.answer = () => ({ status: 307, headers: { location: other.url } })
  assert.equal((await sender({ anywhere: true })(receiver.url)).status, 307)
  assert.equal(other.received.length, 0)
})

test('how long a receiver wants to be left alone is read as seconds or as a date, and bounded', async () => {
  const receiver = await startReceiver()
  ends.push(receiver.close)
  const asked = async (retryAfter: string) => {
    receiver.answer = () => ({ status: 429, headers: { 'retry-after': retryAfter } })
    return (await sender({ anywhere: true })(receiver.url)).retryAfterMs
  }
  assert.equal(await asked('7'), 7_000)
  assert.equal(await asked('999999'), 3_600_000)
  assert.equal(await asked(new Date(Date.now() + 86_400_000).toUTCString()), 3_600_000)
  assert.equal(await asked('soon'), undefined)
})

test('why a receiver cannot be reached is not told: it would show what the puller can reach', async () => {
  await assert.rejects(sender({ anywhere: true })('http://127.0.0.1:1/x'), (error: Error) => {
    assert.ok(hasCode(error, 'NOTIFICATION_FAILED'))
    assert.equal(error.message, 'the receiver could not be reached')
    return true
  })
})
