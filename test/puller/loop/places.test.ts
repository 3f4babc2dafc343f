import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as tick } from 'node:timers/promises'
import { Places } from '../../../puller/loop/places.ts'
import { FakeClock } from '../fake-clock.ts'

async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await tick()
}

/** How many of `count` get a place at once; they are given back, and who waits gives up his turn. */
async function free(places: Places, count: number): Promise<number> {
  let taken = 0
  const hold = Promise.withResolvers<void>()
  for (let i = 0; i < count; i++)
    void places.take().then(async (place) => {
      taken += 1
      await hold.promise
      place.leave()
    })
  await settle()
  const now = taken
  hold.resolve()
  await settle()
  return now
}

test('one that is outside in two ways at once comes back in once, and leaves once', { timeout: 20_000 }, async () => {
  const places = new Places({ clock: new FakeClock(), max: 2 })
  const place = await places.take()
  const first = Promise.withResolvers<void>()
  const second = Promise.withResolvers<void>()
  const both = [place.outside(() => first.promise), place.outside(() => second.promise)]
  assert.equal(await free(places, 3), 2)
  first.resolve()
  await settle()
  second.resolve()
  await Promise.all(both)
  assert.equal(await free(places, 3), 1)
  place.leave()
  assert.equal(await free(places, 3), 2)
})

test('who comes back from outside goes before who has not begun', { timeout: 20_000 }, async () => {
  const places = new Places({ clock: new FakeClock(), max: 1 })
  const order: string[] = []
  const first = await places.take()
  const away = Promise.withResolvers<void>()
  const back = first.outside(() => away.promise).then(() => order.push('back'))
  const second = await places.take()
  const third = places.take().then((place) => {
    order.push('third')
    return place
  })
  await settle()
  away.resolve()
  await settle()
  assert.deepEqual(order, [])
  second.leave()
  await back
  await settle()
  assert.deepEqual(order, ['back'])
  first.leave()
  await third
  assert.deepEqual(order, ['back', 'third'])
})

test('no more than so many hang beside the places, and each that ends lets another one', {
  timeout: 20_000,
}, async () => {
  const clock = new FakeClock()
  const places = new Places({ clock, max: 1, slowMs: 1_000, slowMax: 1 })
  const slow = await places.take()
  await clock.runUntil(1_000)
  const next = await places.take()
  await clock.runUntil(5_000)
  assert.equal(await free(places, 1), 0)
  next.leave()
  await settle()
  assert.equal(await free(places, 2), 1)
  slow.leave()
  assert.equal(await free(places, 2), 1)
})
