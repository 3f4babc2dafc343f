import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { cachedToolPath } from '../../tools/cache.ts'

const script = join(import.meta.dirname, '..', '..', 'tools', 'build.ts')

/** A go that reports `version`, notes each build in `builds.log`, and "builds" a file after `seconds`. */
const fakeGo = (version: string, seconds: string) => `#!/bin/sh
case "$1" in
  env) echo go${version} ;;
  build) sleep ${seconds}; echo "$*" >> "$0.builds"; while [ "$1" != -o ]; do shift; done; echo built > "$2"; chmod +x "$2" ;;
esac
`

type Machine = { readonly env: NodeJS.ProcessEnv; readonly cache: string; readonly builds: () => readonly string[] }

function machine(t: TestContext, go?: string): Machine {
  const directory = mkdtempSync(join(tmpdir(), 'waybill-tools-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  const bin = join(directory, 'bin')
  mkdirSync(bin)
  if (go !== undefined) {
    writeFileSync(join(bin, 'go'), go)
    chmodSync(join(bin, 'go'), 0o755)
  }
  const log = join(bin, 'go.builds')
  const cache = join(directory, 'cache')
  return {
    env: { PATH: go === undefined ? bin : `${bin}:/bin:/usr/bin`, WAYBILL_CACHE: cache },
    cache: join(cache, 'tools'),
    builds: () => (existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n') : []),
  }
}

type Outcome = { readonly code: number; readonly stdout: string; readonly stderr: string }

function build(env: NodeJS.ProcessEnv, ...names: readonly string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    execFile(process.execPath, [script, ...names], { env }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr })
    })
  })
}

test('a machine without Go is told that Go is missing, for what, and how to go on', async (t) => {
  const { code, stderr } = await build(machine(t).env, 'oras')
  assert.equal(code, 1)
  assert.match(stderr, /^TOOL_MISSING: Go 1\.26 or newer builds oras, and there is no go on the PATH\nInstall it/)
  assert.doesNotMatch(stderr, /at .*\.ts:\d+/)
})

test('a Go that is too old is refused before anything is built', async (t) => {
  const old = machine(t, fakeGo('1.25.9', '0'))
  const { code, stderr } = await build(old.env, 'oras')
  assert.equal(code, 1)
  assert.match(stderr, /^TOOL_MISSING: .*the go on the PATH is 1\.25\.9/)
  assert.deepEqual(old.builds(), [])
})

test('a cache that cannot be made is said to be, by its name', { timeout: 20_000 }, async (t) => {
  const here = machine(t, fakeGo('1.26.0', '0'))
  const { code, stderr } = await build({ ...here.env, WAYBILL_CACHE: '/proc/nope' }, 'oras')
  assert.equal(code, 1)
  assert.match(
    stderr,
    /^DISK_FAILED: tools are built into \/proc\/nope\/tools, which cannot be made or written\n.*WAYBILL_CACHE/,
  )
})

test('a tool is built once, and its path is printed', async (t) => {
  const here = machine(t, fakeGo('1.26.0', '0'))
  const first = await build(here.env, 'oras')
  const path = cachedToolPath('oras', here.env)
  assert.equal(first.stdout, `oras ${path}\n`)
  assert.match(first.stderr, /building 1 tools .*: oras\n.*built oras \(1 of 1\)/s)
  assert.equal((await build(here.env, 'oras')).stderr, '')
  assert.equal(here.builds().length, 1)
  assert.match(here.builds()[0] ?? '', /oras\.land\/oras\/cmd\/oras$/)
})

test('two processes that need the same tool at the same time build it once', async (t) => {
  const here = machine(t, fakeGo('1.26.0', '0.5'))
  const both = await Promise.all([build(here.env, 'oras'), build(here.env, 'oras')])
  assert.deepEqual(
    both.map(({ code }) => code),
    [0, 0],
  )
  assert.equal(here.builds().length, 1)
  assert.match(both.map(({ stderr }) => stderr).join(''), /waiting for another process/)
})

test('the lock of a process that is gone does not keep others waiting', async (t) => {
  const here = machine(t, fakeGo('1.26.0', '0'))
  mkdirSync(here.cache, { recursive: true })
  const lock = join(here.cache, 'building.lock')
  writeFileSync(lock, `${2 ** 22 + 1} ${hostname()}\n`)
  assert.equal((await build(here.env, 'oras')).code, 0)
  writeFileSync(lock, '1 another-machine\n')
  utimesSync(lock, new Date(0), new Date(0))
  assert.equal((await build(here.env, 'kwok')).code, 0)
  assert.equal(existsSync(lock), false)
})

test('a build that fails leaves nothing behind that looks like a tool', async (t) => {
  const failing = '#!/bin/sh\n[ "$1" = env ] && echo go1.26.0 && exit\necho "no such package" >&2; exit 1\n'
  const here = machine(t, failing)
  const { code, stderr } = await build(here.env, 'oras')
  assert.equal(code, 1)
  assert.match(stderr, /TOOL_FAILED: go build oras\.land.* failed:\nno such package/)
  assert.deepEqual(readdirSync(dirname(cachedToolPath('oras', here.env))), [])
})

test('KUBEBUILDER_ASSETS is looked at first for what it may hold, and for nothing else', async (t) => {
  const here = machine(t, fakeGo('1.26.0', '0'))
  const assets = join(here.cache, '..', 'assets')
  mkdirSync(assets, { recursive: true })
  for (const name of ['etcd', 'oras']) writeFileSync(join(assets, name), '', { mode: 0o755 })
  const { stdout } = await build({ ...here.env, KUBEBUILDER_ASSETS: assets }, 'etcd', 'oras')
  assert.match(stdout, new RegExp(`^etcd ${assets}/etcd$`, 'm'))
  assert.match(stdout, new RegExp(`^oras ${cachedToolPath('oras', here.env)}$`, 'm'))
})

test('a tool that does not exist is refused with the names of those that do', async (t) => {
  const { code, stderr } = await build(machine(t).env, 'docker')
  assert.equal(code, 1)
  assert.match(stderr, /no such tool: docker; there are oras, /)
})
