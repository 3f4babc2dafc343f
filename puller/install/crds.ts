import type { KubeObject } from '../../contract/artifact/objects.ts'
import type { JsonObject } from '../../contract/canonical-json.ts'
import { trustPolicySpecSchema } from '../../contract/trust/trust-policy.ts'
import { NEVER_IGNORED, NEVER_IGNORED_SAYS } from '../delivery-fields.ts'
import { deliverySpecSchema, deliveryStatusSchema, GROUP, inventorySpecSchema, recordSpecSchema } from '../kinds.ts'
import { SCHEDULE_PATTERN, TIME_ZONE_PATTERN } from '../schedule.ts'
import { RANGE_PATTERN } from '../source/version-range.ts'
import { type Amendments, BY_PATTERN_CHARS_MAX, structural } from './structural.ts'

/** The CustomResourceDefinitions of Waybill's kinds, their schemas generated from what the code parses with. */
export function crdObjects(): KubeObject[] {
  return [deliveryCrd(), trustPolicyCrd(), inventoryCrd(), recordCrd()]
}

const rule = (expression: string, message: string): JsonObject => ({ rule: expression, message })
const rules = (...all: readonly JsonObject[]): JsonObject => ({ 'x-kubernetes-validations': all })
const notBuilt = (field: string): string => `${field} is not built yet`

const SEGMENT = '[a-z0-9]+([._-]+[a-z0-9]+)*'
/** As contract/reference.ts reads it: a host, perhaps a port, a path; neither tag nor digest. */
const REPOSITORY = `^(\\[[0-9a-f:]+\\]|[a-z0-9]([a-z0-9.-]*[a-z0-9])?)(:[0-9]{1,5})?(/${SEGMENT})+$`
const OBJECT_NAME = rules(
  rule("self.matches('^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$')", 'has to be a name of lower-case letters, digits, - and .'),
)
const deliverySpecAmendments: Amendments = {
  spec: rules(
    rule('has(self.environment) || has(self.source.channel)', 'environment is required with a version or a digest'),
    rule('!has(self.schedule) || !has(self.source.digest)', 'schedule goes with a channel or a version'),
    rule('!has(self.timeZone) || has(self.schedule)', 'timeZone goes with a schedule'),
  ),
  'spec.source': rules(
    rule(
      '[has(self.channel), has(self.version), has(self.digest)].filter(given, given).size() == 1',
      'exactly one of channel, version and digest is needed',
    ),
  ),
  'spec.source.repository': {
    description: 'host[:port]/path of the package, without a tag or digest.',
    pattern: REPOSITORY,
  },
  'spec.source.channel': {
    description: 'A signed channel of the package, such as production.',
    pattern: '^[a-z][a-z0-9]*([._-][a-z0-9]+)*$',
    ...rules(rule("!self.matches('^v[0-9]|^sha256-')", 'a channel is neither a version nor a digest')),
  },
  'spec.source.version': {
    description: 'A range such as >=1.4 <2, by npm’s rules: the highest released version that satisfies it.',
    minLength: 1,
    pattern: RANGE_PATTERN,
  },
  'spec.source.digest': { description: 'Exactly this artifact.' },
  'spec.source.mirrorOf': {
    description: 'The canonical repository, where this one is a mirror of it.',
    pattern: REPOSITORY,
  },
  'spec.source.pullSecret.name': OBJECT_NAME,
  'spec.source.caSecret.name': OBJECT_NAME,
  'spec.source.pullSecret': {
    description: 'A kubernetes.io/dockerconfigjson Secret beside the Delivery, read as the service account.',
  },
  'spec.source.caSecret': {
    description: 'A Secret beside the Delivery with PEM certificates in ca.crt, read as the service account.',
  },
  'spec.environment': { description: 'The environment of the artifact that is applied. Default: the channel’s name.' },
  'spec.serviceAccountName': { description: 'The account that everything is applied as.', ...OBJECT_NAME },
  'spec.interval': {
    maxLength: BY_PATTERN_CHARS_MAX,
    description: 'How often source and cluster are looked at, with a schedule the cluster alone: 30s, 5m, 1h.',
  },
  'spec.schedule': {
    description:
      'A cron expression of five fields: new releases are looked for at these times, and at once when the Delivery changes.',
    pattern: SCHEDULE_PATTERN,
  },
  'spec.timeZone': { description: 'IANA name of the schedule’s time zone. Default: UTC.', pattern: TIME_ZONE_PATTERN },
  'spec.prune': {
    description: 'Whether what left the artifact is deleted, and how much of it at most without a confirmation.',
  },
  'spec.adopt': { description: 'What happens to objects that exist and are not ours.' },
  'spec.sync': {
    description: 'automatic; approve: a new digest waits for a person; observe: nothing is ever written.',
  },
  'spec.windows': { description: 'When new releases may go out. Drift is put back at any time.' },
  'spec.windows[].start': {
    pattern: SCHEDULE_PATTERN,
    description: 'When it opens: a cron expression of five fields.',
  },
  'spec.windows[].duration': { maxLength: BY_PATTERN_CHARS_MAX },
  'spec.windows[].timeZone': { pattern: TIME_ZONE_PATTERN },
  'spec.dependsOn': { description: 'Deliveries that have to be healthy at what they ask for before this one goes on.' },
  'spec.dependsOn[].version': { pattern: RANGE_PATTERN, minLength: 1 },
  'spec.timeout': { maxLength: BY_PATTERN_CHARS_MAX, description: 'How long a release may take to become healthy.' },
  'spec.onFailure': {
    description: 'When a release fails: hold waits for a person or a newer one, rollback goes back, continue tries on.',
  },
  'spec.health': { description: 'CEL expressions that say how objects of a kind stand.' },
  'spec.force': { description: 'Kinds that may be made anew where a field that cannot change has changed.' },
  'spec.drift': { description: 'What to do where the cluster differs: correct puts it back, report only tells.' },
  'spec.ignore': { description: 'Fields that are left to others.' },
  'spec.ignore[].fields[]': rules(rule(`!(self in ${JSON.stringify(NEVER_IGNORED)})`, NEVER_IGNORED_SAYS)),
  'spec.compareInterval': { maxLength: BY_PATTERN_CHARS_MAX, description: 'How often everything is compared anew.' },
  'spec.unmanaged': { description: 'What is done about objects in these namespaces that no Delivery owns.' },
  'spec.deletion': { description: 'What deleting the Delivery does to what it delivered.' },
  'spec.hold': { description: 'Stay on, or go back to, this digest until it is lifted, or until the time given.' },
  'spec.suspend': { description: 'Hands off, drift included, until it is lifted, or until the time given.' },
  'spec.notifications': {
    description: 'Whom to tell what was recorded.',
    'x-kubernetes-list-type': 'map',
    'x-kubernetes-list-map-keys': ['name'],
  },
}

const deliveryStatusAmendments: Amendments = {
  'status.conditions': { 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['type'] },
}

function deliveryCrd(): KubeObject {
  return crd({
    kind: 'Delivery',
    plural: 'deliveries',
    shortNames: ['wd'],
    scope: 'Namespaced',
    description: 'Delivers one environment of a signed package to this cluster, and keeps it there.',
    spec: structural(deliverySpecSchema, deliverySpecAmendments, 'spec', { isWritten: true }),
    status: structural(deliveryStatusSchema, deliveryStatusAmendments, 'status'),
    // What runs here, since when, is it well.
    columns: [
      column('Runs', '.status.runs'),
      { name: 'Since', type: 'date', jsonPath: '.status.applied.at' },
      conditionColumn('Ready', 'status'),
      conditionColumn('Reason', 'reason', 'Ready'),
      conditionColumn('Drifted', 'status'),
      { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
      ...[
        conditionColumn('Verified', 'status'),
        conditionColumn('Healthy', 'status'),
        column('Channel', '.spec.source.channel'),
        column('Range', '.spec.source.version'),
        column('Hold', '.spec.hold.digest'),
        column('Repository', '.spec.source.repository'),
        column('Digest', '.status.applied.digest'),
        conditionColumn('Message', 'message', 'Ready'),
      ].map((one) => ({ ...one, priority: 1 })),
    ],
  })
}

function conditionColumn(name: string, field: 'status' | 'reason' | 'message', type = name): JsonObject {
  return column(name, `.status.conditions[?(@.type=="${type}")].${field}`)
}

const named = (role: string): JsonObject =>
  rule(
    `!has(self.require.${role}) || self.require.${role}.by.all(one, self.authorities.exists(a, a.name == one))`,
    `require.${role}.by names who is no authority`,
  )

function trustPolicyCrd(): KubeObject {
  const amendments: Amendments = {
    spec: rules(named('signature'), named('provenance'), named('release'), named('promotion')),
    'spec.authorities': { 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['name'] },
    'spec.authorities[]': rules(
      rule('!has(self.keyless)', notBuilt('keyless')),
      rule('has(self.key) || has(self.keyless)', 'an authority needs a key'),
    ),
    'spec.authorities[].keyless': { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
    'spec.authorities[].state': {
      description: 'active; retired: good for what the records show ran here; revoked: good for nothing.',
    },
    'spec.repositories': { description: 'host/path, with * for one segment, or ** at the end for any number.' },
    'spec.mirrors': {
      description: 'Where copies may be read from, as repositories; none with an empty list. Absent: anywhere.',
    },
  }
  return crd({
    kind: 'TrustPolicy',
    plural: 'trustpolicies',
    scope: 'Cluster',
    description: 'Says who is trusted for which repositories. Every policy that matches must be satisfied.',
    spec: structural(trustPolicySpecSchema, amendments, 'spec', { isWritten: true }),
    columns: [
      column('Repositories', '.spec.repositories'),
      { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
    ],
  })
}

function inventoryCrd(): KubeObject {
  const amendments: Amendments = {
    'spec.delivery': rules(rule('self == oldSelf', 'an inventory stays with its Delivery')),
    'spec.shard': rules(rule('self == oldSelf', 'the number of a shard does not change')),
  }
  return crd({
    kind: 'DeliveryInventory',
    plural: 'deliveryinventories',
    scope: 'Namespaced',
    description: 'What a Delivery created or adopted, in shards. Written by the puller only.',
    spec: structural(inventorySpecSchema, amendments, 'spec'),
    columns: [
      column('Delivery', '.spec.delivery.name'),
      { ...column('Shard', '.spec.shard'), type: 'integer' },
      { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
    ],
  })
}

function recordCrd(): KubeObject {
  const amendments: Amendments = { spec: rules(rule('self == oldSelf', 'a record does not change')) }
  return crd({
    kind: 'DeliveryRecord',
    plural: 'deliveryrecords',
    scope: 'Namespaced',
    description: 'One thing that happened to a Delivery: signed, chained, immutable. Written by the puller only.',
    spec: structural(recordSpecSchema, amendments, 'spec'),
    columns: [
      column('Delivery', '.spec.delivery.name'),
      { ...column('Sequence', '.spec.sequence'), type: 'integer' },
      column('Kind', '.spec.kind'),
      column('Version', '.spec.version'),
      column('Digest', '.spec.digest'),
      column('Error', '.spec.error.code'),
      { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
    ],
  })
}

const column = (name: string, jsonPath: string): JsonObject => ({ name, type: 'string', jsonPath })

type CrdOptions = {
  readonly kind: string
  readonly plural: string
  readonly shortNames?: readonly string[]
  readonly scope: 'Namespaced' | 'Cluster'
  readonly description: string
  readonly spec: JsonObject
  readonly status?: JsonObject
  readonly columns: readonly JsonObject[]
}

function crd(options: CrdOptions): KubeObject {
  const { kind, plural, shortNames, scope, description, spec, status, columns } = options
  const schema = {
    type: 'object',
    description,
    required: ['spec'],
    properties: {
      apiVersion: { type: 'string' },
      kind: { type: 'string' },
      metadata: { type: 'object' },
      spec,
      ...(status === undefined ? {} : { status }),
    },
  }
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${GROUP}` },
    spec: {
      group: GROUP,
      scope,
      names: {
        kind,
        listKind: `${kind}List`,
        plural,
        singular: kind.toLowerCase(),
        ...(shortNames === undefined ? {} : { shortNames }),
      },
      versions: [
        {
          name: 'v1alpha1',
          served: true,
          storage: true,
          schema: { openAPIV3Schema: schema },
          ...(status === undefined ? {} : { subresources: { status: {} } }),
          additionalPrinterColumns: columns,
        },
      ],
    },
  }
}
