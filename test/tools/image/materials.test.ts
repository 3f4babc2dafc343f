import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hasCode } from '../../../contract/errors.ts'
import { isRun } from '../../../tools/image/modules-layer.ts'
import { requireUsable } from '../../../tools/image/node-runtime.ts'
import { pathsIn } from '../../../tools/image/shared-libraries.ts'

test('the libraries of a program are those that ldd finds, loader included, and not what the kernel brings', () => {
  const printed = `
	linux-vdso.so.1 (0x00007ff048cf4000)
	libm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x00007ff048920000)
	libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007ff04873e000)
	/lib64/ld-linux-x86-64.so.2 (0x00007ff048cf6000)
`
  assert.deepEqual(pathsIn('node', printed), [
    '/lib/x86_64-linux-gnu/libc.so.6',
    '/lib/x86_64-linux-gnu/libm.so.6',
    '/lib64/ld-linux-x86-64.so.2',
  ])
})

test('a library that is not there is named', () => {
  assert.throws(
    () => pathsIn('node', '\tlibatomic.so.1 => not found\n'),
    (error) => hasCode(error, 'TOOL_FAILED') && error.message.includes('libatomic.so.1'),
  )
})

test('of a package, what no program reads is left out, and licences never', () => {
  for (const file of [
    'index.js',
    'dist/doc/a.js',
    'src/node.mjs',
    'data.json',
    'a.wasm',
    'LICENSE',
    'LICENSE.md',
    'docs/NOTICE',
  ])
    assert.ok(isRun(file), file)
  for (const file of [
    'README.md',
    'index.d.ts',
    'index.d.mts',
    'a.js.map',
    'src/a.ts',
    'test/a.js',
    '.eslintrc',
    'prebuilds/a.bare',
  ])
    assert.ok(!isRun(file), file)
})

test('a Node that is too old, of another system, or on a C library that is too old or another one, is refused', () => {
  const good = { version: '24.15.0', arch: 'x64', platform: 'linux', glibc: '2.34', roots: '' }
  requireUsable('node', good, '24.15')
  const wrong = [
    { version: '24.14.9' },
    { version: '22.30.0' },
    { platform: 'darwin' },
    { glibc: '2.31' },
    { glibc: '' },
  ]
  for (const one of wrong)
    assert.throws(
      () => requireUsable('node', { ...good, ...one }, '24.15'),
      (error) => hasCode(error, 'TOOL_VERSION'),
      JSON.stringify(one),
    )
})
