import assert from 'node:assert/strict'
import { test } from 'node:test'
import { validatorsOf } from '../../../contract/schema/validate.ts'
import { readKubernetes } from '../../../packager/schemas/disk.ts'

const MINORS = ['1.31', '1.32', '1.33', '1.34', '1.35', '1.36']

for (const minor of MINORS)
  test(`every kind of Kubernetes ${minor} has a schema that can be followed, and refuses a field that it does not have`, async () => {
    const { pinned, known, builtins } = await readKubernetes(minor)
    assert.deepEqual([pinned, known], [minor, MINORS])
    assert.ok(builtins.release.startsWith(`${minor}.`))
    assert.ok(builtins.kinds.size > 60)
    const validatorOf = validatorsOf(builtins.definitions)
    for (const { apiVersion, kind, definition } of builtins.kinds.values()) {
      const faults = validatorOf(definition)?.({ apiVersion, kind, metadata: { name: 'x' }, unknownField: 1 }) ?? []
      assert.ok(
        faults.some(({ message, path }) => message === 'unknown field' && path[0] === 'unknownField'),
        kind,
      )
    }
  })

test('what people write most is known in every minor, with the fields and enums of that minor', async () => {
  const common = ['v1 Pod', 'v1 Service', 'apps/v1 Deployment', 'batch/v1 CronJob', 'networking.k8s.io/v1 Ingress']
  for (const minor of MINORS) {
    const { builtins } = await readKubernetes(minor)
    for (const kind of common) assert.ok(builtins.kinds.has(kind), `${minor} ${kind}`)
    const validate = validatorsOf(builtins.definitions)('io.k8s.api.core.v1.Pod')
    const pod = { apiVersion: 'v1', kind: 'Pod', spec: { restartPolicy: 'Alwys', containers: [{ name: 'a' }] } }
    assert.deepEqual(validate?.(pod), [
      { path: ['spec', 'restartPolicy'], keyword: 'enum', message: 'must be one of Always, Never, OnFailure' },
    ])
  }
})

test('a version with a patch or a suffix is read as its minor, and none as the newest that is known', async () => {
  for (const [version, minor] of [
    ['1.33.4', '1.33'],
    ['1.33.4-gke.100', '1.33'],
  ] as const)
    assert.equal((await readKubernetes(version)).pinned, minor)
  const { pinned, builtins } = await readKubernetes('')
  assert.equal(pinned, undefined)
  assert.ok(builtins.release.startsWith('1.36.'))
})
