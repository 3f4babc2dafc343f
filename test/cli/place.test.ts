import assert from 'node:assert/strict'
import { posix, win32 } from 'node:path'
import { test } from 'node:test'
import { pathFrom, pathInRepository } from '../../cli/flags.ts'
import { saysFolder, splitTag } from '../../cli/place.ts'

test('a folder is told from a registry on every system, with drives and shares on Windows', () => {
  for (const name of ['./packed', '../packed', '.', '/srv/packed'])
    for (const os of [posix, win32]) assert.equal(saysFolder(name, os), true, name)
  for (const name of ['C:\\packed', 'c:/packed', '.\\packed', '\\\\server\\share\\packed'])
    assert.equal(saysFolder(name, win32), true, name)
  for (const name of ['registry.example.com/acme/shop:1.4.2', 'localhost:5000/shop', '127.0.0.1:5000/acme/shop'])
    for (const os of [posix, win32]) assert.equal(saysFolder(name, os), false, name)
})

test('the tag of a release in a folder is not taken for a part of the path, nor the drive for a name', () => {
  assert.deepEqual(splitTag('./packed:1.4.2'), { name: './packed', tag: '1.4.2' })
  assert.deepEqual(splitTag('C:\\packed:1.4.2'), { name: 'C:\\packed', tag: '1.4.2' })
  for (const text of ['C:\\packed', 'C:/packed', './packed']) assert.deepEqual(splitTag(text), { name: text })
})

test('paths on the command line are those of the system, and paths in a repository those of Git', () => {
  assert.equal(pathFrom('C:\\shop', 'packed', win32), 'C:\\shop\\packed')
  assert.equal(pathFrom('C:\\shop', 'D:\\packed', win32), 'D:\\packed')
  assert.equal(pathFrom('/shop', 'packed', posix), '/shop/packed')
  assert.equal(pathInRepository('packages\\api', win32), 'packages/api')
  assert.equal(pathInRepository('odd\\name', posix), 'odd\\name')
})
