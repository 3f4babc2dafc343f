import assert from 'node:assert/strict'
import { test } from 'node:test'
import { repositoryNear, sourceOf } from '../../../packager/init/origin.ts'

test('the address of a remote becomes one that readers can open, without who logs in and how', () => {
  const home = 'https://git.example.com/acme/shop'
  for (const origin of [
    'https://git.example.com/acme/shop.git',
    'https://ada:sesame@git.example.com/acme/shop',
    'https://git.example.com/acme/shop/?token=sesame',
    'ssh://git@git.example.com:2222/acme/shop.git',
    'git@git.example.com:acme/shop.git',
    'git.example.com:/acme/shop',
  ])
    assert.equal(sourceOf(origin), home, origin)
  assert.equal(sourceOf('http://git.example.com:3000/a/b'), 'http://git.example.com:3000/a/b')
})

test('a remote on this machine is no address for others', () => {
  for (const origin of ['/srv/git/shop.git', '../shop', 'file:///srv/git/shop', 'C:\\git\\shop', undefined])
    assert.equal(sourceOf(origin), undefined, origin)
})

test('a forge’s own registry is proposed, and no other is made up', () => {
  assert.equal(repositoryNear('https://github.com/Acme/Shop'), 'ghcr.io/acme/shop')
  assert.equal(repositoryNear('https://gitlab.com/acme/group/shop'), 'registry.gitlab.com/acme/group/shop')
  assert.equal(repositoryNear('https://git.example.com/acme/shop'), undefined)
})
