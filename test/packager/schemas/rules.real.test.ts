import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isJsonObject, type Json, type JsonObject } from '../../../contract/canonical-json.ts'
import { checkSchemas } from '../../../packager/checks/schemas.ts'
import { parsePackageFile } from '../../../packager/package-file.ts'
import { compileRule } from '../../../packager/schemas/compile-rule.ts'
import { readKubernetes } from '../../../packager/schemas/disk.ts'
import { schemaType, type TypeFields } from '../../../packager/schemas/rule-types.ts'
import { crdObjects } from '../../../puller/install/crds.ts'
import { field, useControlPlane } from '../../real/control-plane.ts'
import { packageFile } from '../repository.ts'
import { READABLE, RULED, SPECS } from './rule-cases.ts'

/** What check says of objects that rules of their CRD speak of, and what a real API server says of them. */
const plane = await useControlPlane()
const kubernetes = await readKubernetes('1.36')
const settings = parsePackageFile(Buffer.from(packageFile()))
const namespace = await plane.freshNamespace()
const GROUP = `${namespace}.example.com`
const CRDS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'

const ruledCrd = (kind: string, plural: string, openAPIV3Schema: JsonObject): JsonObject => ({
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: `${plural}.${GROUP}` },
  spec: {
    group: GROUP,
    scope: 'Namespaced',
    names: { plural, kind },
    versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema }, subresources: { status: {} } }],
  },
})

test('rules at every depth of a CRD say in check what they say in a cluster, word for word', async () => {
  const ruled = (spec: JsonObject, name = 'x'): JsonObject => ({
    apiVersion: `${GROUP}/v1`,
    kind: 'Ruled',
    metadata: { name, namespace, labels: { a: 'b' } },
    spec,
  })
  const objects = [...SPECS.map((spec) => ruled(spec)), ruled({}, 'refused'), { ...ruled({}), status: { a: 'x' } }]
  await compare(ruledCrd('Ruled', 'ruleds', RULED), `/apis/${GROUP}/v1/namespaces/${namespace}/ruleds`, objects, 25)
})

test('a rule that the API server does not take is one that CI cannot read, and no other', async () => {
  const isReadable = (schema: JsonObject, source: string) => {
    const fields: TypeFields = {}
    const self = schemaType(schema, 'self', fields, { isResource: false })
    const [compiled] = compileRule({ rule: source }, [], self, fields)
    return compiled?.isTransition === true || typeof compiled?.program === 'function'
  }
  const { properties } = RULED
  assert.ok(isJsonObject(properties) && isJsonObject(properties.spec))
  const { 'x-kubernetes-validations': _, ...spec } = properties.spec
  const [here, there]: [string[], string[]] = [[], []]
  for (const source of READABLE) {
    const ruled = { ...spec, 'x-kubernetes-validations': [{ rule: source }] }
    const body = ruledCrd('Read', 'reads', { type: 'object', properties: { spec: ruled } })
    const answer = await plane.api('POST', `${CRDS}?dryRun=All`, { body })
    // What it may cost is not looked at in CI.
    if (answer.status === 201 || /estimated rule cost/.test(String(field(answer.body, 'message')))) there.push(source)
    if (isReadable(spec, source)) here.push(source)
  }
  assert.deepEqual(here, there)
  assert.ok(here.length > 15 && here.length < READABLE.length - 15, `${here.length}`)
})

const DELIVERY = { source: { repository: 'registry.example.com/acme/shop', channel: 'production' } }
const source = (more: JsonObject): JsonObject => ({ source: { ...DELIVERY.source, ...more } })
const DELIVERIES: readonly JsonObject[] = [
  DELIVERY,
  { ...source({}), interval: '1m', schedule: '0 4 * * *', timeZone: 'Europe/Berlin', timeout: '10m' },
  source({ repository: 'registry.example.com/acme/shop:latest' }),
  source({ version: '>=1.4 <2' }),
  source({ channel: 'v1.2.3' }),
  { source: { repository: DELIVERY.source.repository, version: '>=1.4 <2' } },
  { source: { repository: DELIVERY.source.repository, digest: 'sha256:1234' }, environment: 'production' },
  { ...DELIVERY, interval: 'soon' },
  { ...DELIVERY, schedule: 'at noon' },
  { ...DELIVERY, timeZone: 'Europe/Berlin' },
  { ...DELIVERY, serviceAccountName: 'Web' },
  { ...DELIVERY, ignore: [{ kind: 'Deployment', fields: ['/metadata/name'] }] },
]

const PEM = '-----BEGIN PUBLIC KEY-----\nMFkw\n-----END PUBLIC KEY-----\n'
const TRUST = {
  repositories: ['registry.example.com/acme/**'],
  authorities: [{ name: 'ci', key: { pem: PEM } }],
  require: { signature: { by: ['ci'] } },
}
const TRUST_POLICIES: readonly JsonObject[] = [
  TRUST,
  { ...TRUST, require: { signature: { by: ['ci'] }, promotion: { by: ['ops'] } } },
  { ...TRUST, authorities: [{ name: 'ci' }] },
  { ...TRUST, authorities: [{ name: 'ci', keyless: { issuer: 'https://example.com' } }] },
  { ...TRUST, repositories: ['https://registry.example.com/acme'] },
]

for (const [kind, plural, specs, at] of [
  ['Delivery', 'deliveries', DELIVERIES, `namespaces/${namespace}/`],
  ['TrustPolicy', 'trustpolicies', TRUST_POLICIES, ''],
] as const)
  test(`a wrong ${kind} in a package is refused with the words of the API server`, async () => {
    const crd = ownGroup(crdObjects().find(({ spec }) => field(spec, 'names', 'kind') === kind))
    const objects = specs.map((spec) => ({
      apiVersion: `${GROUP}/v1alpha1`,
      kind,
      metadata: { name: 'x', ...(at === '' ? {} : { namespace }) },
      spec,
    }))
    await compare(crd, `/apis/${GROUP}/v1alpha1/${at}${plural}`, objects, 4)
  })

/** The CRD in a group of this test's own: other tests have this cluster too. */
function ownGroup(crd: Json | undefined): JsonObject {
  const own: Json = JSON.parse(JSON.stringify(crd).replaceAll('waybill.dev', GROUP))
  assert.ok(isJsonObject(own))
  return own
}

/** Holds every verdict and message of check against the API server's; at least so many are refusals. */
async function compare(crd: JsonObject, path: string, objects: readonly JsonObject[], refusedMin: number) {
  const made = await plane.api('POST', CRDS, { body: crd })
  assert.equal(made.status, 201, String(field(made.body, 'message')))
  const [right] = objects
  await plane.eventually('the CRD is served', async () => (await ask(path, right ?? {}))?.length === 0)
  for (const object of objects) assert.deepEqual(said(crd, object), await ask(path, object), JSON.stringify(object))
  const refused = objects.filter((object) => said(crd, object).length > 0)
  assert.ok(refused.length >= refusedMin, `${refused.length}`)
  await plane.api('DELETE', `${CRDS}/${field(crd, 'metadata', 'name')}`)
}

function said(crd: JsonObject, object: JsonObject): readonly string[] {
  const place = { environment: 'dev', origin: { file: 'a.yaml', path: [] } }
  const schemas = [{ ...place, object: crd }]
  const rendered = { environments: { dev: [{ ...place, object }] }, schemas, faults: [], tools: {} }
  const { faults, warnings } = checkSchemas(rendered, settings, kubernetes)
  assert.deepEqual(warnings, [])
  return faults.map(({ message }) => message.replace(/^.+?: /, (at) => plainPath(at))).toSorted()
}

/** `field: message` of everything that the API server has against creating it; undefined where the kind is not served yet. */
async function ask(path: string, object: JsonObject): Promise<readonly string[] | undefined> {
  const { status, body } = await plane.api('POST', `${path}?dryRun=All&fieldValidation=Strict`, { body: object })
  if (status === 201) return []
  const causes = field(body, 'details', 'causes')
  if (status !== 422 || !Array.isArray(causes)) return undefined
  return causes
    .map((cause: unknown) => {
      const message = String(field(cause, 'message')).replace(
        /^(?:Invalid value(?:: (?:"(?:[^"\\]|\\.)*"|\S+))?|Forbidden): /,
        '',
      )
      const at = String(field(cause, 'field')).replace('<nil>', 'the object')
      return `${plainPath(at)}: ${message}`
    })
    .toSorted()
}

/** The API server writes keys of maps in brackets, and names of fields bare, whatever they are. */
function plainPath(path: string): string {
  return path.replaceAll(/["[\].]+/g, '.').replace(/\.(?=: |$)/, '')
}
