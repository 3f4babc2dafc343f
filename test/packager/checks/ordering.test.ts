import assert from 'node:assert/strict'
import { test } from 'node:test'
import { findFaults } from '../../../packager/check.ts'
import { checkCommit } from '../../../packager/pack-commit.ts'
import { parsePackageFile } from '../../../packager/package-file.ts'
import { objectsOf } from '../../../packager/render/objects.ts'
import { readYaml } from '../../../packager/yaml/yaml.ts'
import { optionsFor, packageFile, repositoryOf } from '../repository.ts'

const configMap = (name: string, ...annotations: readonly string[]) => `apiVersion: v1
kind: ConfigMap
metadata:
  name: ${name}
  namespace: shop
  annotations:
${annotations.map((line) => `    ${line}\n`).join('')}`

/** What check says of objects of these environments, a file each. */
function faultsOf(environments: Readonly<Record<string, string>>): readonly string[] {
  const parts = Object.entries(environments).map(([name, text]) => {
    const file = `deploy/${name}.yaml`
    return [name, objectsOf(name, file, readYaml(file, Buffer.from(text)).documents).objects] as const
  })
  const rendered = { environments: Object.fromEntries(parts), faults: [], tools: {} }
  const found = findFaults(rendered, parsePackageFile(Buffer.from(packageFile())))
  return found
    .filter(({ code }) => /^(?:ANNOTATION|DEPENDENCY)/.test(code))
    .map(({ file, line, object, code, message }) => `${file}:${line} ${object}: ${message} [${code}]`)
}

test('every annotation that the puller could not follow is told with its file, line and object', () => {
  const job = 'apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: migrate\n  annotations:\n'
  const text = [
    configMap('late', 'waybill.dev/wave: "1001"', 'waybill.dev/prune: keep'),
    configMap('odd', 'waybill.dev/depends-on: Secret/db', 'waybill.dev/run: once-per-release'),
    `${job}    waybill.dev/run: always\n    waybill.dev/run-cleanup: succeeded\n`,
    `${job.replace('migrate', 'again')}    waybill.dev/run-cleanup: failed\n`,
  ].join('---\n')
  assert.deepEqual(faultsOf({ dev: text }), [
    'deploy/dev.yaml:7 ConfigMap shop/late: waybill.dev/wave is a whole number from -1000 to 1000, not "1001" [ANNOTATION_INVALID]',
    'deploy/dev.yaml:8 ConfigMap shop/late: waybill.dev/prune is never or confirm, not "keep" [ANNOTATION_INVALID]',
    'deploy/dev.yaml:16 ConfigMap shop/odd: waybill.dev/depends-on names objects as GROUP/namespaces/NAMESPACE/KIND/NAME, or GROUP/KIND/NAME without a namespace (GROUP is empty for core), not as "Secret/db" [ANNOTATION_INVALID]',
    'deploy/dev.yaml:17 ConfigMap shop/odd: waybill.dev/run is for Jobs (batch/v1) only [ANNOTATION_INVALID]',
    'deploy/dev.yaml:24 Job.batch migrate: waybill.dev/run is once-per-release, not "always" [ANNOTATION_INVALID]',
    'deploy/dev.yaml:32 Job.batch again: waybill.dev/run-cleanup says nothing without waybill.dev/run [ANNOTATION_INVALID]',
  ])
})

test('names that the environment does not hold and rings of dependencies are told, in each environment for itself', () => {
  const a = configMap('a', 'waybill.dev/depends-on: /ConfigMap/b')
  const ring = configMap('b', 'waybill.dev/depends-on: /namespaces/shop/ConfigMap/a')
  assert.deepEqual(faultsOf({ dev: `${a}---\n${configMap('b', 'x: y')}`, prod: a, ring: `${a}---\n${ring}` }), [
    'deploy/prod.yaml:7 ConfigMap shop/a: waybill.dev/depends-on: there is no /ConfigMap/b among the objects [DEPENDENCY_UNKNOWN]',
    'deploy/ring.yaml:7 ConfigMap shop/a: waybill.dev/depends-on: it would come before itself: ConfigMap shop/a → ConfigMap shop/b → ConfigMap shop/a [DEPENDENCY_CYCLE]',
  ])
})

test('an annotation that Waybill does not have is a slip of the pen, except on what is Waybill’s own', () => {
  const delivery = `apiVersion: waybill.dev/v1alpha1
kind: Delivery
metadata: {name: shop, annotations: {waybill.dev/reconcile: "1", waybill.dev/wave: "2"}}
`
  const text = `${configMap('a', 'waybill.dev/waves: "1"', 'waybill.dev/color: red', 'other.dev/wave: x')}---\n${delivery}`
  assert.deepEqual(faultsOf({ dev: text }), [
    'deploy/dev.yaml:7 ConfigMap shop/a: waybill.dev/waves means nothing to Waybill: did you mean waybill.dev/wave? [ANNOTATION_INVALID]',
    'deploy/dev.yaml:8 ConfigMap shop/a: waybill.dev/color means nothing to Waybill [ANNOTATION_INVALID]',
  ])
})

test('an annotated package passes, and its annotations are part of the artifact', async () => {
  const files = {
    'waybill.yaml': packageFile(),
    'deploy/a.yaml': configMap('a', 'waybill.dev/wave: "-3"', 'waybill.dev/depends-on: /ConfigMap/b'),
    'deploy/b.yaml': configMap('b', 'waybill.dev/prune: never'),
  }
  const checked = await checkCommit(optionsFor(repositoryOf(files)))
  const annotations = checked.environments.dev?.map(({ metadata }) => metadata.annotations)
  assert.deepEqual(annotations, [
    { 'waybill.dev/wave': '-3', 'waybill.dev/depends-on': '/ConfigMap/b' },
    { 'waybill.dev/prune': 'never' },
  ])
})

test('hooks outside a chart, and dependencies written for other tools alone, pass with a warning', async () => {
  const files = {
    'waybill.yaml': packageFile(),
    'deploy/a.yaml': configMap('a', 'helm.sh/hook: pre-install'),
    'deploy/b.yaml': configMap(
      'b',
      'helm.sh/hook: pre-install',
      'argocd.argoproj.io/sync-wave: "-1"',
      'waybill.dev/wave: "-1"',
    ),
    'deploy/c.yaml': configMap('c', 'config.kubernetes.io/depends-on: /ConfigMap/a'),
    'deploy/d.yaml': configMap(
      'd',
      'config.kubernetes.io/depends-on: /ConfigMap/a',
      'waybill.dev/depends-on: /ConfigMap/a',
    ),
    'deploy/e.yaml': configMap('e', 'argocd.argoproj.io/hook: PreSync', 'argocd.argoproj.io/sync-wave: "-1"'),
  }
  const { warnings, environments } = await checkCommit(optionsFor(repositoryOf(files)))
  assert.equal(environments.dev?.length, 5)
  assert.deepEqual(
    warnings
      .filter(({ code }) => code !== 'KUBERNETES_UNPINNED')
      .map(({ file, line, object, code }) => `${file}:${line} ${object} ${code}`),
    [
      'deploy/a.yaml:7 ConfigMap shop/a HOOK_IGNORED',
      'deploy/c.yaml:7 ConfigMap shop/c DEPENDENCY_IGNORED',
      'deploy/e.yaml:7 ConfigMap shop/e HOOK_IGNORED',
      'deploy/e.yaml:8 ConfigMap shop/e HOOK_IGNORED',
    ],
  )
})
