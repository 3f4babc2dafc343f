import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { KubeObject } from '../../../contract/artifact/objects.ts'
import type { Json } from '../../../contract/canonical-json.ts'
import { readDirectives } from '../../../contract/ordering/annotations.ts'

const JOB = ['batch/v1', 'Job'] as const
const POD = ['v1', 'Pod'] as const

test('an object without annotations is in wave 0 and depends on nothing', () => {
  const { directives, faults } = read({})
  assert.deepEqual(directives, { wave: 0, dependsOn: [], run: undefined, runCleanup: [], prune: undefined })
  assert.deepEqual(faults, [])
})

test('everything that people can write is read', () => {
  const { directives, faults } = read(
    {
      'waybill.dev/wave': '-1000',
      'waybill.dev/depends-on': '/namespaces/shop/Secret/db, apps/Deployment/api,/namespaces/shop/Secret/db',
      'waybill.dev/run': 'once-per-release',
      'waybill.dev/run-cleanup': 'failed, succeeded',
      'waybill.dev/prune': 'confirm',
    },
    JOB,
  )
  assert.deepEqual(faults, [])
  assert.deepEqual(directives, {
    wave: -1000,
    dependsOn: [
      { group: '', kind: 'Secret', namespace: 'shop', name: 'db', text: '/namespaces/shop/Secret/db' },
      { group: 'apps', kind: 'Deployment', namespace: undefined, name: 'api', text: 'apps/Deployment/api' },
    ],
    run: 'once-per-release',
    runCleanup: ['failed', 'succeeded'],
    prune: 'confirm',
  })
})

test('a wave is a whole number within its bounds, in its one spelling', () => {
  for (const wave of ['0', '1', '-1', '999', '1000', '-1000'])
    assert.equal(read({ 'waybill.dev/wave': wave }).directives.wave, Number(wave))
  for (const wave of ['', ' 1', '1.0', '01', '-0', '+1', '1e2', '1001', '-1001', '10000', 'first', '1\n'])
    assert.deepEqual(faultsOf({ 'waybill.dev/wave': wave }), [
      `waybill.dev/wave is a whole number from -1000 to 1000, not ${JSON.stringify(wave)}`,
    ])
})

test('a dependency that names no object in the syntax of cli-utils is a fault', () => {
  const wrong = ['', 'api', 'Deployment/api', 'apps/v1/Deployment/api', 'apps/namespace/shop/Deployment/api']
  const emptied = ['apps/Deployment/', 'apps//api', 'apps/namespaces//Deployment/api', 'a/b/c,', 'apps/Deploy ment/api']
  for (const text of [...wrong, ...emptied]) {
    const [fault = '', ...others] = faultsOf({ 'waybill.dev/depends-on': text })
    assert.match(fault, /^waybill.dev\/depends-on names objects as GROUP\/namespaces\/NAMESPACE\/KIND\/NAME, or /)
    assert.deepEqual(others, [])
  }
})

test('only a Job runs once for each release', () => {
  assert.deepEqual(faultsOf({ 'waybill.dev/run': 'once-per-release' }, POD), [
    'waybill.dev/run is for Jobs (batch/v1) only',
  ])
  assert.deepEqual(faultsOf({ 'waybill.dev/run': 'once' }, JOB), ['waybill.dev/run is once-per-release, not "once"'])
})

test('clean-up goes with a run, and names how that may end', () => {
  assert.deepEqual(faultsOf({ 'waybill.dev/run-cleanup': 'failed' }, JOB), [
    'waybill.dev/run-cleanup says nothing without waybill.dev/run',
  ])
  for (const ends of ['', 'always', 'failed,', 'failed,failed', 'Failed'])
    assert.deepEqual(faultsOf({ 'waybill.dev/run': 'once-per-release', 'waybill.dev/run-cleanup': ends }, JOB), [
      `waybill.dev/run-cleanup is succeeded, failed or both, with a comma between, not ${JSON.stringify(ends)}`,
    ])
})

test('prune is never or confirm', () => {
  assert.equal(read({ 'waybill.dev/prune': 'never' }).directives.prune, 'never')
  assert.deepEqual(faultsOf({ 'waybill.dev/prune': 'disabled' }), [
    'waybill.dev/prune is never or confirm, not "disabled"',
  ])
})

test('a value without quotes is no text, and is said to be none', () => {
  assert.deepEqual(faultsOf({ 'waybill.dev/wave': 5 }), [
    'waybill.dev/wave is a number, and annotations are text: quote it',
  ])
  assert.deepEqual(faultsOf({ 'waybill.dev/prune': null }), [
    'waybill.dev/prune is null, and annotations are text: quote it',
  ])
})

test('a long value is quoted in part only', () => {
  const [fault = ''] = faultsOf({ 'waybill.dev/wave': '1'.repeat(100_000) })
  assert.ok(fault.length < 200, fault)
})

function read(annotations: Readonly<Record<string, Json>>, [apiVersion, kind]: readonly [string, string] = POD) {
  const object: KubeObject = { apiVersion, kind, metadata: { name: 'one', annotations } }
  return readDirectives(object)
}

function faultsOf(annotations: Readonly<Record<string, Json>>, type?: readonly [string, string]): readonly string[] {
  return read(annotations, type).faults.map(({ message }) => message)
}
