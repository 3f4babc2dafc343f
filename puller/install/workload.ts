import type { KubeObject } from '../../contract/artifact/objects.ts'
import type { JsonObject } from '../../contract/canonical-json.ts'
import { certificateMount } from './certificates.ts'
import { PULLER_ACCOUNT } from './identity.ts'
import { HTTP_PORT, POD_LABELS } from './network.ts'
import { PART_OF } from './part-of.ts'
import type { SharedKind } from './shared-kinds.ts'

export type WorkloadOptions = {
  readonly namespace: string
  readonly image: string
  /** Default: 2. */
  readonly replicas?: number
  readonly shared: readonly SharedKind[]
  readonly isGuarded: boolean
  /** PEM: trusted besides those of the image. */
  readonly ca?: string
  readonly plainHttp?: boolean
  /** Secret with which the node pulls the image. */
  readonly pullSecret?: string
}

type Mount = ReturnType<typeof certificateMount>

const MOUNTED_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount'
const CACHE = { directory: '/var/cache/waybill', size: '2Gi', volume: '3Gi' } as const
/** uid and gid of the image. */
const USER = 65532

/** The puller's Deployment, which Pod Security `restricted` admits, and its PodDisruptionBudget. */
export function workloadObjects({ namespace, image, replicas = 2, ...options }: WorkloadOptions): KubeObject[] {
  const metadata = { name: PULLER_ACCOUNT, namespace, labels: POD_LABELS }
  const selector = { matchLabels: POD_LABELS }
  const mount = options.ca === undefined ? undefined : certificateMount(options.ca)
  return [
    {
      apiVersion: 'policy/v1',
      kind: 'PodDisruptionBudget',
      metadata,
      // Not minAvailable, which keeps a node with a single replica, or with one that is not ready, from ever being drained.
      spec: { selector, maxUnavailable: 1, unhealthyPodEvictionPolicy: 'AlwaysAllow' },
    },
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata,
      spec: {
        replicas,
        revisionHistoryLimit: 3,
        selector,
        // A replica that stands by is ready: the new one is, before an old one goes.
        strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
        template: {
          metadata: {
            labels: { ...POD_LABELS, ...PART_OF },
            ...(mount === undefined ? {} : { annotations: mount.annotations }),
          },
          spec: podSpec(container({ namespace, image, ...options }, mount), options.pullSecret, mount),
        },
      },
    },
  ]
}

function podSpec(container: JsonObject, pullSecret: string | undefined, mount: Mount | undefined): JsonObject {
  return {
    ...(pullSecret === undefined ? {} : { imagePullSecrets: [{ name: pullSecret }] }),
    serviceAccountName: PULLER_ACCOUNT,
    automountServiceAccountToken: true,
    enableServiceLinks: false,
    terminationGracePeriodSeconds: 30,
    securityContext: {
      runAsNonRoot: true,
      runAsUser: USER,
      runAsGroup: USER,
      fsGroup: USER,
      seccompProfile: { type: 'RuntimeDefault' },
    },
    nodeSelector: { 'kubernetes.io/os': 'linux' },
    topologySpreadConstraints: ['kubernetes.io/hostname', 'topology.kubernetes.io/zone'].map((topologyKey) => ({
      topologyKey,
      maxSkew: 1,
      whenUnsatisfiable: 'ScheduleAnyway',
      labelSelector: { matchLabels: POD_LABELS },
      matchLabelKeys: ['pod-template-hash'],
    })),
    containers: [container],
    volumes: [
      { name: 'cache', emptyDir: { sizeLimit: CACHE.volume } },
      { name: 'tmp', emptyDir: { sizeLimit: '64Mi' } },
      ...(mount?.volumes ?? []),
    ],
  }
}

function container(
  { namespace, image, shared, isGuarded, plainHttp = false }: Omit<WorkloadOptions, 'replicas'>,
  mount: Mount | undefined,
): JsonObject {
  const probe = (path: string): JsonObject => ({ httpGet: { path, port: HTTP_PORT.name } })
  return {
    name: 'puller',
    image,
    imagePullPolicy: 'IfNotPresent',
    args: [
      'puller',
      `--service-account-dir=${MOUNTED_ACCOUNT}`,
      `--namespace=${namespace}`,
      `--listen=:${HTTP_PORT.number}`,
      '--leader-elect=true',
      `--cache-dir=${CACHE.directory}`,
      `--cache-size=${CACHE.size}`,
      '--log-level=info',
      ...(isGuarded ? ['--guard'] : []),
      ...(plainHttp ? ['--plain-http'] : []),
      ...shared.map(({ group, kind, plural }) => `--shared-watch=${kind}${group === '' ? '' : `.${group}`}=${plural}`),
    ],
    ...(mount === undefined ? {} : { env: mount.env }),
    ports: [{ name: HTTP_PORT.name, containerPort: HTTP_PORT.number, protocol: 'TCP' }],
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    },
    // Measured: 140 MB with 1,000 objects, 214 MB with 10,000, 640 MB with 1,000 Deliveries. No bound on the CPU: who is throttled loses the Lease.
    resources: { requests: { cpu: '100m', memory: '256Mi' }, limits: { memory: '1Gi' } },
    // A minute of silence: a long plan is no reason to begin anew.
    livenessProbe: { ...probe('/healthz'), periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 6 },
    readinessProbe: { ...probe('/readyz'), periodSeconds: 5, timeoutSeconds: 5, failureThreshold: 3 },
    volumeMounts: [
      { name: 'cache', mountPath: CACHE.directory },
      { name: 'tmp', mountPath: '/tmp' },
      ...(mount?.volumeMounts ?? []),
    ],
  }
}
