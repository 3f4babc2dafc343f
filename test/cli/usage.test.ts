import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CATALOGUE } from '../../cli/catalogue.ts'
import { assertFails, jsonError, waybill, waybillHere } from './command.ts'

const usage: readonly (readonly [string, readonly string[], RegExp])[] = [
  ['an unknown command is told with the nearest one', ['publsh'], /Did you mean publish\?/],
  ['an unknown flag is told with the nearest one', ['show', 'x', '--show-secret'], /Did you mean --show-secrets\?/],
  ['a command that lacks its argument says which', ['history'], /missing required argument 'name'/],
  ['a flag that lacks its value says which', ['get', '-n'], /argument missing/],
  ['a flag that is required says so', ['promote', 'example.com/a/b:1.0.0', '--key', 'k'], /--to <channel>/],
  ['one argument too many is not passed over', ['unhold', 'a', 'b'], /too many arguments/],
  ['a form of output that there is not is named with those that there are', ['get', '--output', 'xml'], /text, json/],
  ['--if-changed needs a channel to compare with', ['publish', '--key', 'k', '--if-changed'], /--channel is needed/],
  ['a reason is for a channel', ['publish', '--key', 'k', '--reason', 'why'], /--channel is needed/],
  [
    'a clone is for packing again',
    ['verify', 'example.com/a/b:1.0.0', '--policy', 'p', '--repo', '.'],
    /--repo is for --rebuild/,
  ],
  ['no command at all lists where to look', [], /no command was given/],
  ['help on an unknown command says that there is none', ['help', 'publsh'], /unknown command 'publsh'/],
  ['an empty argument is a variable that is not set', ['unhold', ''], /an argument is empty\nhint: .*variable/],
  ['an empty value is a variable that is not set', ['get', '--context', ''], /--context <name> is empty/],
  ['a namespace that no cluster can have is wrong usage', ['tenant', 'My Shop'], /Lower-case letters/],
  [
    'one Delivery is in one namespace',
    ['get', 'shop', '-A'],
    /shop goes with one namespace[\s\S]*hint: waybill get shop -n/,
  ],
  ['rollback wants exactly one of --to and --steps', ['rollback', 'a', '--to', 'x', '--steps', '1'], /exactly one/],
  ['rollback takes no fraction of a step', ['rollback', 'a', '--steps', '0.5'], /whole number/],
  ['audit takes a head only with its sequence', ['audit', 'a', '--head', 'sha256:00'], /sequence/],
  [
    'a mounted service account takes the place of a kubeconfig',
    ['puller', '--service-account-dir', 'x', '--context', 'y'],
    /goes with neither/,
  ],
  ['a duration is written with its unit', ['puller', '--wait-timeout', '5'], /30s, 5m or 1h/],
]

for (const [name, args, says] of usage)
  test(name, async () => {
    const ran = await waybillHere(args)
    assertFails(ran, 2, 'USAGE')
    assert.match(ran.stderr, says)
    assert.equal(ran.stdout, '')
  })

test('wrong usage under --output json is one document on stdout, and nothing on stderr', async () => {
  for (const args of [
    ['get', '--nope', '--output', 'json'],
    ['nope', '--output=json'],
    ['history', '--output', 'json'],
  ]) {
    const ran = await waybillHere(args)
    assert.equal(ran.status, 2)
    assert.equal(jsonError(ran).code, 'USAGE')
    assert.equal(ran.stderr, '')
  }
})

test('every command explains itself with at least one example, and exits 0', async () => {
  for (const { name } of CATALOGUE) {
    const ran = await waybillHere([name, '--help'])
    assert.equal(ran.status, 0, name)
    assert.match(ran.stdout, new RegExp(`Examples:\\n {2}waybill ${name}`), name)
    assert.equal(ran.stderr, '')
  }
})

test('--help lists every command', async () => {
  const { stdout, status } = await waybillHere(['--help'])
  assert.equal(status, 0)
  for (const { name } of CATALOGUE) assert.match(stdout, new RegExp(`^ {2}${name} `, 'm'))
})

test('--version prints the version alone', async () => {
  const { stdout, stderr, status } = await waybill(['--version'])
  assert.match(stdout, /^\d+\.\d+\.\d+\n$/)
  assert.deepEqual([stderr, status], ['', 0])
})

test('a folder that holds no layout is not taken for a registry', async () => {
  const ran = await waybillHere(['show', './docs'])
  assertFails(ran, 2, 'FILE_UNREADABLE')
  assert.match(ran.stderr, /no OCI layout/)
})

test('where the puller listens, and whom it takes webhooks from, are checked before it starts', async () => {
  assertFails(await waybillHere(['puller', '--listen', 'here']), 2, 'USAGE')
  assertFails(await waybillHere(['puller', '--hook-secret-file', 'secret']), 2, 'USAGE')
  const ran = await waybillHere(['puller', '--listen', '127.0.0.1:0', '--hook-secret-file', 'no-such-file'])
  assertFails(ran, 2, 'HOOK_SECRET')
})
