import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isKubeObject } from '../../../contract/artifact/objects.ts'
import { isJsonObject, type Json, type JsonObject } from '../../../contract/canonical-json.ts'
import { jsonValue } from '../../../contract/cel/json-value.ts'
import { CelMap, isList, Unknown, type Value } from '../../../contract/cel/values.ts'
import { objectValue } from '../../../packager/policies/object-value.ts'
import { admittedValue } from '../../../packager/policies/subject.ts'
import { readKubernetes } from '../../../packager/schemas/disk.ts'
import { readYaml } from '../../../packager/yaml/yaml.ts'
import { field, useControlPlane } from '../../real/control-plane.ts'

const cluster = await useControlPlane()
const { builtins } = await readKubernetes('1.36')

const POD = `containers: [{name: a, image: a, ports: [{containerPort: 80}], resources: {limits: {cpu: "1"}}, env: [{name: A, valueFrom: {fieldRef: {fieldPath: metadata.name}}}], livenessProbe: {httpGet: {port: 80}}, lifecycle: {preStop: {exec: {command: [a]}}}, securityContext: {privileged: false, capabilities: {add: []}}}],
        initContainers: [{name: i, image: "i:1", volumeMounts: [{name: s, mountPath: /s, readOnly: false}], tty: false}],
        volumes: [{name: s, secret: {secretName: s}}, {name: c, configMap: {name: c, optional: false}}, {name: e, emptyDir: {}}, {name: h, hostPath: {path: /h}}, {name: p, projected: {sources: [{serviceAccountToken: {path: t}}]}}, {name: d, downwardAPI: {items: [{path: l, fieldRef: {fieldPath: metadata.labels}}]}}],
        securityContext: {fsGroup: 1, supplementalGroups: []}, affinity: {podAntiAffinity: {}}, tolerations: [], hostNetwork: false, serviceAccountName: default,
        topologySpreadConstraints: [{maxSkew: 1, topologyKey: a, whenUnsatisfiable: DoNotSchedule, labelSelector: {matchLabels: {a: b}}}]`
const TEMPLATE = `template: {metadata: {labels: {a: b}, annotations: {}}, spec: {${POD}}}`

/** One of each kind that people deliver, with zeros, empty lists and fields left out. */
const OBJECTS = `
apiVersion: v1
kind: Pod
metadata: {name: a, labels: {a: b}}
spec: {${POD}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: a, finalizers: []}
spec: {selector: {matchLabels: {a: b}}, paused: false, strategy: {rollingUpdate: {maxSurge: 0}}, ${TEMPLATE}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: a}
spec: {serviceName: "", selector: {matchLabels: {a: b}}, volumeClaimTemplates: [{metadata: {name: v}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}], ${TEMPLATE}}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: a}
spec: {selector: {matchLabels: {a: b}}, ${TEMPLATE}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: a}
spec: {template: {spec: {restartPolicy: Never, ${POD}}}}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: a}
spec: {schedule: "* * * * *", suspend: false, jobTemplate: {spec: {template: {spec: {restartPolicy: Never, ${POD}}}}}}
---
apiVersion: v1
kind: Service
metadata: {name: a}
spec: {selector: {a: b}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: b}
spec: {type: LoadBalancer, externalTrafficPolicy: Local, sessionAffinity: ClientIP, ports: [{port: 80, targetPort: http, name: http}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: a}
data: {a: "", b: c}
binaryData: {}
---
apiVersion: v1
kind: Secret
metadata: {name: a}
data: {a: YQ==}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: a}
automountServiceAccountToken: false
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: a}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: v1
kind: Namespace
metadata: {name: policies-object}
---
apiVersion: v1
kind: ResourceQuota
metadata: {name: a}
spec: {hard: {pods: "4"}}
---
apiVersion: v1
kind: LimitRange
metadata: {name: a}
spec: {limits: [{type: Container, default: {cpu: 100m}}]}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: a}
spec: {maxReplicas: 3, scaleTargetRef: {kind: Deployment, name: a, apiVersion: apps/v1}}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: a}
spec: {minAvailable: 0, selector: {}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: a}
spec: {rules: [{host: "", http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: a, port: {number: 80}}}}]}}], tls: []}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: a}
spec: {podSelector: {}, ingress: [], egress: [{ports: [{port: 53}]}]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: a}
rules: [{apiGroups: [""], resources: [pods], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: a}
roleRef: {kind: Role, name: a, apiGroup: rbac.authorization.k8s.io}
subjects: [{kind: ServiceAccount, name: a, namespace: b}, {kind: User, name: u}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: policies-object}
rules: []
---
apiVersion: scheduling.k8s.io/v1
kind: PriorityClass
metadata: {name: policies-object}
value: 1
---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: policies-object}
provisioner: a
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: policies-object}
webhooks: [{name: a.example.com, admissionReviewVersions: [v1], sideEffects: None, clientConfig: {service: {name: a, namespace: b}}, rules: [{apiGroups: [a], apiVersions: [v1], operations: [CREATE], resources: [b]}]}]
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.policies.example.com}
spec: {group: policies.example.com, scope: Namespaced, names: {plural: things, kind: Thing}, versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]}
`

/** Where CI's idea of an object is neither what the API server has, nor unknown. */
function differences(ci: Value | Unknown | undefined, server: Value | undefined, path: string): readonly string[] {
  if (ci instanceof Unknown) return []
  if (ci instanceof CelMap && server instanceof CelMap) {
    const keys = new Set([...ci.entries.keys(), ...server.entries.keys()])
    return [...keys].flatMap((key) => differences(ci.get(key), server.entries.get(key), `${path}.${String(key)}`))
  }
  if (ci !== undefined && server !== undefined && isList(ci) && isList(server) && ci.length === server.length)
    return ci.flatMap((one, i) => differences(one, server[i], `${path}[${i}]`))
  return ci === server ? [] : [`${path}: CI ${shown(ci)}, server ${shown(server)}`]
}

function shown(value: Value | undefined): string {
  return String(
    JSON.stringify(value, (_, one) => (typeof one === 'bigint' ? String(one) : one instanceof Map ? [...one] : one)),
  )
}

test('what CI takes for known of an object is what the API server makes of it, for every kind that people deliver', async () => {
  const namespace = await cluster.freshNamespace('policies')
  await cluster.serviceAccountToken(namespace, 'default')
  const { documents, faults } = readYaml('objects.yaml', Buffer.from(OBJECTS))
  assert.deepEqual(faults, [])
  assert.equal(documents.length, 26)
  const found: string[] = []
  for (const { value: json } of documents) {
    assert.ok(isKubeObject(json))
    const { resource, namespaced } = builtins.kinds.get(`${json.apiVersion} ${json.kind}`) ?? assert.fail(json.kind)
    const root = json.apiVersion.includes('/') ? `/apis/${json.apiVersion}` : `/api/${json.apiVersion}`
    const path = `${root}${namespaced ? `/namespaces/${namespace}` : ''}/${resource}?dryRun=All`
    const answer = await cluster.api('POST', path, { body: json })
    assert.equal(answer.status, 201, `${json.kind}: ${field(answer.body, 'message')}`)
    const object = { ...json, metadata: { ...json.metadata, ...(namespaced ? { namespace } : {}) } }
    const ci = objectValue(object, { delivered: false, namespaced, builtin: true })
    found.push(...differences(ci, jsonValue(parseBody(answer.body)), json.kind))
  }
  assert.deepEqual(found, [])
})

const CRD: JsonObject = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'queues.policies.example.com' },
  spec: {
    group: 'policies.example.com',
    scope: 'Namespaced',
    names: { plural: 'queues', singular: 'queue', kind: 'Queue', listKind: 'QueueList' },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        schema: {
          openAPIV3Schema: {
            type: 'object',
            properties: {
              spec: {
                type: 'object',
                default: {},
                properties: {
                  size: { type: 'integer', default: 5 },
                  ratio: { type: 'number' },
                  mode: { type: 'string', default: 'fast', nullable: true },
                  kind: { type: 'string', default: 'plain' },
                  empty: { type: 'string' },
                  deep: { type: 'object', properties: { a: { type: 'string', default: 'b' } } },
                  items: {
                    type: 'array',
                    items: { type: 'object', properties: { n: { type: 'integer', default: 1 } } },
                  },
                  map: {
                    type: 'object',
                    additionalProperties: { type: 'object', properties: { m: { type: 'boolean', default: true } } },
                  },
                },
              },
            },
          },
        },
      },
    ],
  },
}

test('what CI takes for known of a custom object is what the API server makes of it, with the defaults of its CRD', async (t) => {
  const namespace = await cluster.freshNamespace('policies')
  const crds = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'
  await cluster.api('POST', crds, { body: CRD })
  t.after(() => cluster.api('DELETE', `${crds}/queues.policies.example.com`))
  const specs: readonly (JsonObject | undefined)[] = [
    undefined,
    {},
    { size: 0, ratio: 1.5, empty: '', deep: {}, items: [{}, { n: 2 }], map: { x: {}, y: { m: false } } },
    { mode: null, kind: null, ratio: 2, items: [], map: {}, deep: { a: '' } },
  ]
  const found: string[] = []
  for (const spec of specs) {
    const object = {
      apiVersion: 'policies.example.com/v1',
      kind: 'Queue',
      metadata: { name: 'q', namespace },
      ...(spec === undefined ? {} : { spec }),
    }
    const path = `/apis/policies.example.com/v1/namespaces/${namespace}/queues?dryRun=All`
    const server = await cluster.eventually('the kind', async () => {
      const answer = await cluster.api('POST', path, { body: object })
      return answer.status === 201 ? parseBody(answer.body) : undefined
    })
    const around = {
      resourceOf: () => ({
        group: 'policies.example.com',
        version: 'v1',
        resource: 'queues',
        namespaced: true,
        builtin: false,
        equivalents: [],
      }),
      schemaOf: () => schemaOf(CRD),
      isBuiltin: () => false,
      namespaces: new Map(),
    }
    found.push(...differences(admittedValue(object, around, false), jsonValue(server), JSON.stringify(spec)))
  }
  assert.deepEqual(found, [])
})

function schemaOf(crd: JsonObject): JsonObject {
  const schema = field(crd, 'spec', 'versions', 0, 'schema', 'openAPIV3Schema')
  return parseBody(schema)
}

function parseBody(body: unknown): JsonObject {
  assert.ok(isJsonObject(body))
  return body as { readonly [key: string]: Json }
}
