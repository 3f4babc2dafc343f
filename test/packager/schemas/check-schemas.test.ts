import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ERRORS, type Fault } from '../../../contract/errors.ts'
import { inspect } from '../../../packager/check.ts'
import { parsePackageFile } from '../../../packager/package-file.ts'
import { objectsOf } from '../../../packager/render/objects.ts'
import type { RenderedObject } from '../../../packager/render/rendered.ts'
import { readKubernetes } from '../../../packager/schemas/disk.ts'
import { readYaml } from '../../../packager/yaml/yaml.ts'
import { waybillHere } from '../../cli/command.ts'
import { CONFIG_MAP, DEPLOYMENT, packageFile, repositoryOf } from '../repository.ts'

const PINNED = packageFile()
const UNPINNED = packageFile().replace(/^ {2}kubernetes: .*\n/m, '')
const pinning = (version: string) => packageFile().replace('1.36', version)

type Texts = {
  readonly objects: string
  readonly schemas?: string
  readonly settings?: string
  readonly other?: string
}

/** What check finds in deploy/a.yaml, and in crds/a.yaml, which stands under spec.schemas. */
async function find({ objects, schemas = '', settings = PINNED, other }: Texts) {
  const read = (environment: string, file: string, text: string): readonly RenderedObject[] => {
    const { documents, faults } = readYaml(file, Buffer.from(text))
    assert.deepEqual(faults, [])
    return objectsOf(environment, file, documents).objects
  }
  const file = parsePackageFile(Buffer.from(settings))
  const rendered = {
    environments: {
      dev: read('dev', 'deploy/a.yaml', objects),
      ...(other === undefined ? {} : { other: read('other', 'other/a.yaml', other) }),
    },
    schemas: read('', 'crds/a.yaml', schemas),
    faults: [],
    tools: {},
  }
  const { faults, warnings } = inspect(rendered, file, await readKubernetes(file.kubernetesVersion))
  return { faults: faults.map(say), warnings: warnings.map(say) }
}

const say = ({ file, line, code, message }: Fault) => `${file}:${line} ${code} ${message}`

async function assertFaults(texts: Texts, ...expected: readonly string[]): Promise<void> {
  assert.deepEqual((await find(texts)).faults, expected)
}

async function assertWarnings(texts: Texts, ...expected: readonly string[]): Promise<void> {
  assert.deepEqual(await find(texts), { faults: [], warnings: expected })
}

const object = (apiVersion: string, kind: string, rest = '') =>
  `apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata: {name: x}\n${rest}`

const GADGETS = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: gadgets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: gadgets, kind: Gadget}
  versions:
    - name: v1
      served: true
      storage: true
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec:
              type: object
              required: [size]
              properties:
                size: {type: integer, maximum: 5}
                colour: {type: string, enum: [red, green]}
                free: {type: object, x-kubernetes-preserve-unknown-fields: true}
    - {name: v1beta1, served: true, storage: false, deprecated: true, schema: {openAPIV3Schema: {type: object}}}
    - {name: v1alpha1, served: false, storage: false, schema: {openAPIV3Schema: {type: object}}}
`

test('a misspelt field is refused with its line and path, and what was likely meant', async () => {
  await assertFaults(
    {
      objects: DEPLOYMENT.replace('spec:\n  selector', 'spec:\n  replica: 2\n  selector').replace(
        '          image',
        '          imagePullPolcy: Always\n          image',
      ),
    },
    'deploy/a.yaml:7 FIELD_UNKNOWN spec.replica: unknown field; did you mean replicas?',
    'deploy/a.yaml:14 FIELD_UNKNOWN spec.template.spec.containers[0].imagePullPolcy: unknown field; did you mean imagePullPolicy?',
  )
})

test('a field of the wrong type, outside of its values, or missing is refused', async () => {
  await assertFaults(
    {
      objects: object(
        'v1',
        'Service',
        'spec:\n  type: LoadBalanced\n  ports:\n    - {port: "80", targetPort: [a]}\n    - name: b\n',
      ),
    },
    'deploy/a.yaml:5 FIELD_INVALID spec.type: must be one of ClusterIP, ExternalName, LoadBalancer, NodePort',
    'deploy/a.yaml:7 FIELD_INVALID spec.ports[0].port: must be integer',
    'deploy/a.yaml:7 FIELD_INVALID spec.ports[0].targetPort: must be integer or string',
    'deploy/a.yaml:8 FIELD_INVALID spec.ports[1].port: required',
  )
})

test('what server-side apply takes for the same item twice is refused, as two variables of one name', async () => {
  const objects = DEPLOYMENT.replace(
    '          image',
    '          env: [{name: A, value: x}, {name: A}]\n          image',
  )
  await assertFaults(
    { objects },
    'deploy/a.yaml:13 FIELD_INVALID spec.template.spec.containers[0].env: must not hold two items of the same name',
  )
})

test('a struct that is left out is as good as empty: what is missing in it is told', async () => {
  const objects = object('apps/v1', 'Deployment', 'spec: {selector: {matchLabels: {a: b}}}\n')
  await assertFaults({ objects }, 'deploy/a.yaml:4 FIELD_INVALID spec.template.spec.containers: required')
})

test('a Secret that is wrong is told without a word of what it holds', async () => {
  const objects = object(
    'v1',
    'Secret',
    'type: 7\ndata:\n  a: hunter2\n  "hunter2 words": [x]\n  b: {hunter3: x}\nimutable: true\n',
  )
  const { faults } = await find({ objects, settings: packageFile({ extra: '  checks: {secrets: allow}\n' }) })
  assert.deepEqual(faults, [
    'deploy/a.yaml:4 FIELD_INVALID type: must be string',
    'deploy/a.yaml:6 FIELD_INVALID data.a: must be base64',
    'deploy/a.yaml:7 FIELD_INVALID data["…"]: must be string',
    'deploy/a.yaml:8 FIELD_INVALID data.b: must be string',
    'deploy/a.yaml:9 FIELD_UNKNOWN imutable: unknown field; did you mean immutable?',
  ])
})

test('a removed API version is refused with what took its place, from the minor on in which it went', async () => {
  await assertFaults(
    { objects: object('extensions/v1beta1', 'Ingress') },
    'deploy/a.yaml:1 API_REMOVED extensions/v1beta1 Ingress is gone since Kubernetes 1.22; use networking.k8s.io/v1 Ingress',
  )
  await assertFaults(
    { objects: object('autoscaling/v2beta2', 'HorizontalPodAutoscaler') },
    'deploy/a.yaml:1 API_REMOVED autoscaling/v2beta2 HorizontalPodAutoscaler is gone since Kubernetes 1.26; use autoscaling/v2 HorizontalPodAutoscaler',
  )
  await assertFaults(
    { objects: object('extensions/v1beta1', 'PodSecurityPolicy') },
    'deploy/a.yaml:1 API_REMOVED extensions/v1beta1 PodSecurityPolicy is gone since Kubernetes 1.16; it has no successor',
  )
  const flow = object(
    'flowcontrol.apiserver.k8s.io/v1beta3',
    'FlowSchema',
    'spec: {priorityLevelConfiguration: {name: a}}\n',
  )
  await assertFaults(
    { objects: flow, settings: pinning('1.32') },
    'deploy/a.yaml:1 API_REMOVED flowcontrol.apiserver.k8s.io/v1beta3 FlowSchema is gone since Kubernetes 1.32; use flowcontrol.apiserver.k8s.io/v1 FlowSchema',
  )
})

test('a deprecated API version passes with a warning that says when it goes, and what takes its place', async () => {
  const flow = object(
    'flowcontrol.apiserver.k8s.io/v1beta3',
    'FlowSchema',
    'spec: {priorityLevelConfiguration: {name: a}}\n',
  )
  await assertWarnings(
    { objects: flow, settings: pinning('1.31') },
    'deploy/a.yaml:1 API_DEPRECATED flowcontrol.apiserver.k8s.io/v1beta3 FlowSchema is deprecated since Kubernetes 1.29 and goes in 1.32; use flowcontrol.apiserver.k8s.io/v1 FlowSchema',
    'deploy/a.yaml:1 API_PREVIEW Kubernetes 1.31 serves flowcontrol.apiserver.k8s.io/v1beta3 FlowSchema only where its cluster turns it on',
  )
})

test('what Kubernetes calls deprecated without a date passes with a warning too', async () => {
  const said =
    'deploy/a.yaml:1 API_DEPRECATED v1 Endpoints is deprecated since Kubernetes 1.33; use discovery.k8s.io/v1 EndpointSlice'
  await assertWarnings({ objects: object('v1', 'Endpoints') }, said)
  await assertWarnings({ objects: object('v1', 'Endpoints'), settings: pinning('1.32') })
})

test('the successor that is named is one that the pinned Kubernetes serves, the most stable there is', async () => {
  const uses = async (minor: string, apiVersion: string, kind: string, rest = 'spec: {}\n') => {
    const { warnings } = await find({ objects: object(apiVersion, kind, rest), settings: pinning(minor) })
    return warnings
      .map((warning) => /API_DEPRECATED.*; use (.*)$/.exec(warning)?.[1])
      .filter((use) => use !== undefined)
  }
  const attributes = 'driverName: a\n'
  const [alpha, kind] = ['storage.k8s.io/v1alpha1', 'VolumeAttributesClass']
  assert.deepEqual(await uses('1.33', alpha, kind, attributes), ['storage.k8s.io/v1beta1 VolumeAttributesClass'])
  assert.deepEqual(await uses('1.34', alpha, kind, attributes), ['storage.k8s.io/v1 VolumeAttributesClass'])
  const bundle = 'spec: {trustBundle: a}\n'
  assert.deepEqual(await uses('1.36', 'certificates.k8s.io/v1alpha1', 'ClusterTrustBundle', bundle), [
    'certificates.k8s.io/v1beta1 ClusterTrustBundle',
  ])
  assert.deepEqual(await uses('1.36', 'resource.k8s.io/v1beta2', 'DeviceClass'), ['resource.k8s.io/v1 DeviceClass'])
})

test('a version or kind that the pinned Kubernetes does not have is refused with the one that it has', async () => {
  await assertFaults(
    { objects: object('v1', 'Deployment') },
    'deploy/a.yaml:1 API_UNKNOWN Kubernetes 1.36 has no v1 Deployment; use apps/v1',
  )
  await assertFaults(
    { objects: object('apps/v1', 'Deploymnt') },
    'deploy/a.yaml:1 API_UNKNOWN Kubernetes 1.36 has no apps/v1 Deploymnt that can be applied; did you mean Deployment?',
  )
  await assertFaults(
    { objects: object('authentication.k8s.io/v1', 'TokenReview') },
    'deploy/a.yaml:1 API_UNKNOWN Kubernetes 1.36 has no authentication.k8s.io/v1 TokenReview that can be applied',
  )
})

test('a kind that came with a later minor is refused by an earlier one', async () => {
  const objects = object('networking.k8s.io/v1', 'ServiceCIDR', 'spec: {cidrs: [10.0.0.0/24]}\n')
  await assertFaults({ objects })
  await assertFaults(
    { objects, settings: pinning('1.32.4') },
    'deploy/a.yaml:1 API_UNKNOWN Kubernetes 1.32 has no networking.k8s.io/v1 ServiceCIDR; use networking.k8s.io/v1beta1',
  )
})

test('without a pinned version Kubernetes’ own kinds pass unchecked, with a warning; custom kinds are checked all the same', async () => {
  const unpinned =
    "waybill.yaml:4 KUBERNETES_UNPINNED spec.kubernetes.version pins no version, so fields of Kubernetes' own kinds are not checked; 1.31 to 1.36 are known"
  await assertWarnings({ objects: object('apps/v1', 'Deploymnt', 'x: 1\n'), settings: UNPINNED }, unpinned)
  const objects = `${GADGETS}---\n${object('example.com/v1', 'Gadget', 'spec: {size: 9}\n')}`
  assert.deepEqual(await find({ objects, settings: UNPINNED }), {
    faults: ['deploy/a.yaml:29 FIELD_INVALID spec.size: must be <= 5'],
    warnings: [unpinned],
  })
})

test('a pinned version that Waybill knows nothing of is refused, naming those that it knows', async () => {
  await assertFaults(
    { objects: CONFIG_MAP, settings: pinning('1.99') },
    'waybill.yaml:7 KUBERNETES_UNKNOWN spec.kubernetes.version pins 1.99; schemas are known for 1.31 to 1.36',
  )
})

test('a custom object is checked against the version of its CRD, from its own environment or from spec.schemas', async () => {
  const gadget = object('example.com/v1', 'Gadget', 'spec: {colour: blue, sise: 3, free: {a: 1}}\nmetadate: {}\n')
  const faults = (file: string, line: number) => [
    `${file}:${line} FIELD_INVALID spec.size: required`,
    `${file}:${line} FIELD_UNKNOWN spec.sise: unknown field; did you mean size?`,
    `${file}:${line} FIELD_INVALID spec.colour: must be one of red, green`,
  ]
  const sorted = (all: readonly string[]) => [...all].sort()
  const own = await find({ objects: `${gadget}---\n${GADGETS}` })
  const shared = await find({ objects: gadget, schemas: GADGETS })
  const misplaced = 'deploy/a.yaml:5 FIELD_UNKNOWN metadate: unknown field; did you mean metadata?'
  assert.deepEqual(sorted(own.faults), sorted([...faults('deploy/a.yaml', 4), misplaced]))
  assert.deepEqual(shared, { ...own, warnings: [] })
})

test('metadata of a custom object is checked as that of any other', async () => {
  const objects = object('example.com/v1', 'Gadget', 'spec: {size: 1}\n').replace(
    '{name: x}',
    '{name: x, lables: {a: b}}',
  )
  await assertFaults(
    { objects, schemas: GADGETS },
    'deploy/a.yaml:3 FIELD_UNKNOWN metadata.lables: unknown field; did you mean labels?',
  )
})

test('where an environment delivers a CRD itself, that one counts, and it counts nowhere else', async () => {
  const strict = GADGETS.replace('maximum: 5', 'maximum: 1')
  const gadget = object('example.com/v1', 'Gadget', 'spec: {size: 3}\n')
  const file = packageFile({ environments: 'dev: {manifests: [deploy]}, other: {manifests: [other]}' })
  await assertFaults(
    { objects: gadget, schemas: GADGETS, other: `${gadget}---\n${strict}`, settings: file },
    'other/a.yaml:4 FIELD_INVALID spec.size: must be <= 1',
  )
})

test('a version that the CRD does not serve is refused, and one that it deprecates passes with a warning', async () => {
  for (const version of ['v1alpha1', 'v2'])
    await assertFaults(
      { objects: object(`example.com/${version}`, 'Gadget'), schemas: GADGETS },
      `deploy/a.yaml:1 API_UNKNOWN example.com/${version} Gadget: its CRD (crds/a.yaml) serves v1, v1beta1`,
    )
  await assertWarnings(
    { objects: object('example.com/v1beta1', 'Gadget'), schemas: GADGETS },
    'deploy/a.yaml:1 API_DEPRECATED example.com/v1beta1 Gadget is deprecated, as its CRD says',
  )
})

test('custom kinds without a schema pass unchecked, and are named once each', async () => {
  const certificate = object('cert-manager.io/v1', 'Certificate', 'anything: 1\n')
  await assertWarnings(
    { objects: `${certificate}---\n${certificate.replace('name: x', 'name: other')}` },
    'deploy/a.yaml:1 SCHEMA_MISSING fields of cert-manager.io/v1 Certificate (and 1 more) are not checked: neither its environment nor spec.schemas has its CRD',
  )
})

test('a schema that Waybill cannot follow is no verdict: its objects pass with a warning', async () => {
  await assertWarnings(
    {
      objects: object('example.com/v1', 'Gadget', 'spec: {size: 9}\n'),
      schemas: GADGETS.replace('maximum: 5', 'enum: []'),
    },
    'deploy/a.yaml:1 SCHEMA_MISSING its fields are not checked: Waybill cannot follow the schema in crds/a.yaml',
  )
})

test('spec.schemas takes CRDs and nothing else', async () => {
  const message = 'spec.schemas takes CustomResourceDefinitions of apiextensions.k8s.io/v1, and nothing else'
  await assertFaults({ objects: CONFIG_MAP, schemas: CONFIG_MAP }, `crds/a.yaml:1 CRD_INVALID ${message}`)
})

test('a CRD that the API server would not take is refused, wherever it stands', async () => {
  const flaws: readonly (readonly [string, string, ...(readonly string[])])[] = [
    [
      'type: integer, maximum: 5',
      'maximum: 5',
      '20 CRD_INVALID spec.versions[0].schema.openAPIV3Schema.properties.spec.properties.size.type: a type is missing',
    ],
    [
      '{type: integer, maximum: 5}',
      '{type: array}',
      '20 CRD_INVALID spec.versions[0].schema.openAPIV3Schema.properties.spec.properties.size.items: an array needs items',
    ],
    [
      'maximum: 5',
      'allOf: [{type: integer}]',
      '20 CRD_INVALID spec.versions[0].schema.openAPIV3Schema.properties.spec.properties.size.allOf[0].type: has no place inside a combination',
    ],
    [
      'required: [size]',
      'additionalProperties: {type: string}',
      '18 CRD_INVALID spec.versions[0].schema.openAPIV3Schema.properties.spec.additionalProperties: cannot stand beside properties',
    ],
    [
      'maximum: 5',
      '$ref: "#/a"',
      '20 CRD_INVALID spec.versions[0].schema.openAPIV3Schema.properties.spec.properties.size.$ref: has no place in a structural schema',
    ],
    [
      'storage: true',
      'storage: false',
      '8 CRD_INVALID spec.versions: exactly one version is stored; 0 say storage: true',
    ],
    [
      'name: gadgets.example.com',
      'name: gadget.example.com',
      '3 CRD_INVALID metadata.name: must be spec.names.plural.spec.group: gadgets.example.com',
    ],
  ]
  for (const [found, put, expected] of flaws) {
    const crd = GADGETS.replace(found, put)
    assert.notEqual(crd, GADGETS, found)
    await assertFaults({ objects: crd }, `deploy/a.yaml:${expected}`)
    await assertFaults({ objects: CONFIG_MAP, schemas: crd }, `crds/a.yaml:${expected}`)
  }
})

test('a word of a CRD that Kubernetes does not know is refused as a field, there as anywhere', async () => {
  await assertFaults(
    { objects: CONFIG_MAP, schemas: GADGETS.replace('scope: Namespaced', 'scope: Namespaced\n  shortnames: [g]') },
    'crds/a.yaml:7 FIELD_UNKNOWN spec.shortnames: unknown field',
  )
})

test('check shows warnings beside its verdict, as text on stderr and as JSON, and exits 0', async () => {
  const repo = repositoryOf({ 'waybill.yaml': UNPINNED, 'deploy/a.yaml': CONFIG_MAP })
  const text = await waybillHere(['check', '--repo', repo])
  assert.equal(text.status, 0)
  assert.match(text.stdout, /: no faults, 1 warning\n {2}dev: 1 object\n$/)
  assert.match(
    text.stderr,
    /^warning: waybill\.yaml:\d+: spec\.kubernetes\.version pins no version.* \[KUBERNETES_UNPINNED\]$/m,
  )
  const json = JSON.parse((await waybillHere(['check', '--repo', repo, '--output', 'json'])).stdout)
  assert.deepEqual(
    json.warnings.map((one: Fault) => [one.code, one.file]),
    [['KUBERNETES_UNPINNED', 'waybill.yaml']],
  )
  assert.equal(ERRORS.KUBERNETES_UNPINNED.exit, 0)
})

test('what fails the check is told with its warnings, and spec.schemas is read from the commit', async () => {
  const settings = UNPINNED.replace('  environments', '  schemas: [crds]\n  environments')
  const gadget = object('example.com/v1', 'Gadget', 'spec: {size: 9}\n')
  const repo = repositoryOf({ 'waybill.yaml': settings, 'deploy/a.yaml': gadget, 'crds/a.yaml': GADGETS })
  const { status, stderr } = await waybillHere(['check', '--repo', repo])
  assert.equal(status, 3)
  assert.match(stderr, /deploy\/a\.yaml:4 Gadget\.example\.com x \(dev\): spec\.size: must be <= 5 \[FIELD_INVALID\]/)
  assert.match(stderr, /\n {2}warning: waybill\.yaml:\d+: .*\[KUBERNETES_UNPINNED\]/)
  const json = JSON.parse((await waybillHere(['check', '--repo', repo, '--output', 'json'])).stdout)
  assert.equal(json.error.warnings.length, 1)
})

test('a path under spec.schemas that the commit does not have is refused', async () => {
  const settings = PINNED.replace('  environments', '  schemas: [crds]\n  environments')
  const repo = repositoryOf({ 'waybill.yaml': settings, 'deploy/a.yaml': CONFIG_MAP })
  const { status, stderr } = await waybillHere(['check', '--repo', repo])
  assert.equal(status, 3)
  assert.match(stderr, /^ {2}crds: the commit has no such file or folder \[INPUT_MISSING\]$/m)
})
