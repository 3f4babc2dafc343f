import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Fault } from '../../../contract/errors.ts'
import { checkSchemas } from '../../../packager/checks/schemas.ts'
import { parsePackageFile } from '../../../packager/package-file.ts'
import { objectsOf } from '../../../packager/render/objects.ts'
import { readKubernetes } from '../../../packager/schemas/disk.ts'
import { readYaml } from '../../../packager/yaml/yaml.ts'
import { crdObjects } from '../../../puller/install/crds.ts'
import { packageFile } from '../repository.ts'

const kubernetes = await readKubernetes('1.36')
const settings = parsePackageFile(Buffer.from(packageFile()))
const say = ({ file, line, object, code, message }: Fault) => `${file}:${line} ${object} ${code} ${message}`

/** What check says of objects whose CRDs stand under spec.schemas. */
function find(objects: string, schemas: string) {
  const read = (environment: string, file: string, text: string) => {
    const { documents, faults } = readYaml(file, Buffer.from(text))
    assert.deepEqual(faults, [])
    return objectsOf(environment, file, documents).objects
  }
  const environments = { dev: read('dev', 'deploy/a.yaml', objects) }
  const rendered = { environments, schemas: read('', 'crds/a.yaml', schemas), faults: [], tools: {} }
  const { faults, warnings } = checkSchemas(rendered, settings, kubernetes)
  return { faults: faults.map(say), warnings: warnings.map(say) }
}

const GAUGES = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: gauges.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: gauges, kind: Gauge}
  versions:
    - name: v1
      served: true
      storage: true
      subresources: {status: {}}
      schema:
        openAPIV3Schema:
          type: object
          x-kubernetes-validations:
            - rule: "!has(self.status)"
          properties:
            status: {type: object, default: {}}
            spec:
              type: object
              properties:
                low: {type: integer, default: 1}
                high: {type: integer}
                colour: {type: string, enum: [red]}
                size: {type: string, pattern: "^[0-9]+$"}
                url: {type: string, maxLength: 99}
              x-kubernetes-validations:
                - {rule: "!has(self.high) || self.low <= self.high", message: low is above high, fieldPath: .high}
                - rule: "!has(self.url) || isURL(self.url)"
`
const gauge = (name: string, spec: string) =>
  `---\napiVersion: example.com/v1\nkind: Gauge\nmetadata: {name: ${name}, namespace: shop}\nspec:\n  ${spec}\n`

/** The rule with isURL() is told once in each of these. */
const warned = (objects: string) => {
  const { faults, warnings } = find(objects, GAUGES)
  assert.equal(warnings.length, 1)
  return faults
}

test('what a rule refuses is a fault with file, line, object, field and message, over the defaults of the CRD', () => {
  assert.deepEqual(warned(gauge('x', 'colour: red\n  high: 0') + gauge('z', 'high: 1')), [
    'deploy/a.yaml:7 Gauge.example.com shop/x FIELD_INVALID spec.high: low is above high',
  ])
})

test('a wrong type or value is said alone, a wrong pattern beside what rules refuse, as the API server has it', () => {
  assert.deepEqual(find(gauge('x', 'colour: blue\n  high: 0'), GAUGES).faults, [
    'deploy/a.yaml:6 Gauge.example.com shop/x FIELD_INVALID spec.colour: must be one of red',
  ])
  assert.deepEqual(warned(gauge('x', 'size: big\n  high: 0')), [
    'deploy/a.yaml:6 Gauge.example.com shop/x FIELD_INVALID spec.size: must match pattern "^[0-9]+$"',
    'deploy/a.yaml:7 Gauge.example.com shop/x FIELD_INVALID spec.high: low is above high',
  ])
})

test('a rule sees no status that the CRD would fill in, where a create drops it', () => {
  assert.deepEqual(warned(gauge('x', 'low: 1')), [])
})

test('a rule that CI cannot evaluate is told once, with its line, and refuses nothing', () => {
  assert.deepEqual(find(gauge('x', 'url: a') + gauge('z', 'url: b'), GAUGES), {
    faults: [],
    warnings: [
      "deploy/a.yaml:5 Gauge.example.com shop/x RULE_UNCHECKED spec (and 1 more): rule '!has(self.url) || isURL(self.url)' (crds/a.yaml:30) is not checked: it uses the function isURL(), which CI cannot evaluate",
    ],
  })
})

test('a wrong Delivery in a package is found in CI', () => {
  // As `kubectl get crd` writes them.
  const crds = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: crdObjects() })
  const delivery = `apiVersion: waybill.dev/v1alpha1
kind: Delivery
metadata: {name: shop, namespace: shop}
spec:
  interval: soon
  source: {repository: registry.example.com/acme/shop}
`
  assert.deepEqual(find(delivery, crds), {
    faults: [
      'deploy/a.yaml:4 Delivery.waybill.dev shop/shop FIELD_INVALID spec: environment is required with a version or a digest',
      'deploy/a.yaml:5 Delivery.waybill.dev shop/shop FIELD_INVALID spec.interval: has to be a duration such as 30s, 5m or 1h',
      'deploy/a.yaml:6 Delivery.waybill.dev shop/shop FIELD_INVALID spec.source: exactly one of channel, version and digest is needed',
    ],
    warnings: [],
  })
})
