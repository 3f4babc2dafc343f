import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Fault, WaybillError } from '../../../contract/errors.ts'
import { checkCommit, packCommit } from '../../../packager/pack-commit.ts'
import { DEPLOYMENT, type Files, optionsFor, packageFile, repositoryOf } from '../repository.ts'

const WITH_POLICIES = packageFile({ extra: '  policies: [policies]\n  checks: {secrets: allow}\n' })

/** A policy for Deployments, with one validation. */
const policy = (expression: string, { name = 'rule', spec = '', validation = '' } = {}) => `---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: ${name}}
spec:
  matchConstraints:
    resourceRules:
      - {apiGroups: [apps], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [deployments]}
  validations:
    - expression: ${JSON.stringify(expression)}
${validation}${spec}`

const binding = (spec: string, name = 'bound') => `---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: ${name}}
spec:
  policyName: rule
${spec}`

async function found(
  files: Files,
): Promise<{ readonly faults: readonly Fault[]; readonly warnings: readonly Fault[] }> {
  const repo = repositoryOf({ 'waybill.yaml': WITH_POLICIES, 'deploy/a.yaml': DEPLOYMENT, ...files })
  try {
    return { faults: [], warnings: (await checkCommit(optionsFor(repo))).warnings }
  } catch (error) {
    assert.ok(error instanceof WaybillError, `${error}`)
    return { faults: error.faults, warnings: [] }
  }
}

const brief = (faults: readonly Fault[]) => faults.map(({ code, file, line }) => `${file}:${line} ${code}`)

test('an object that a policy denies fails the build, with the policy, its message, file, line, object and environment', async () => {
  const text = policy("object.metadata.name.startsWith('shop-')", {
    validation: '      message: names begin with shop-\n',
  })
  const { faults } = await found({ 'policies/names.yaml': text })
  assert.deepEqual(faults, [
    {
      code: 'ADMISSION_DENIED',
      message: 'policy rule (policies/names.yaml:10): names begin with shop-',
      file: 'deploy/a.yaml',
      line: 1,
      object: 'Deployment.apps shop/api',
      environment: 'dev',
    },
  ])
  assert.deepEqual((await found({ 'policies/names.yaml': policy("object.metadata.name == 'api'") })).faults, [])
})
