import type { KubeObject } from '../../contract/artifact/objects.ts'
import type { JsonObject } from '../../contract/canonical-json.ts'
import { PULLER_ACCOUNT } from './identity.ts'

/** Where the puller serves /metrics, /healthz and /readyz. */
export const HTTP_PORT = { name: 'http', number: 8080 } as const

/** The label that selects the puller's pods. It stands in the Deployment's selector, so it can never change. */
export const POD_LABELS = { 'app.kubernetes.io/name': PULLER_ACCOUNT } as const

export type NetworkOptions = {
  readonly namespace: string
  /** TCP ports, besides 443 and 6443, that the puller may reach anywhere. */
  readonly egressPorts?: readonly number[]
  readonly serviceMonitor?: boolean
}

/** The puller's NetworkPolicy and Service, and on request a ServiceMonitor (monitoring.coreos.com/v1). */
export function networkObjects({ namespace, egressPorts = [], serviceMonitor = false }: NetworkOptions): KubeObject[] {
  const metadata = { name: PULLER_ACCOUNT, namespace, labels: POD_LABELS }
  const selector = { matchLabels: POD_LABELS }
  return [
    {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata,
      spec: {
        podSelector: selector,
        policyTypes: ['Ingress', 'Egress'],
        ingress: [{ ports: [port('TCP', HTTP_PORT.number)] }],
        egress: [
          { ports: [port('UDP', 53), port('TCP', 53)] },
          // Registries, and API servers as they are behind their Service. Not 80, where clouds serve credentials to whoever asks.
          { ports: [...new Set([443, 6443, ...egressPorts])].map((number) => port('TCP', number)) },
        ],
      },
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata,
      spec: {
        selector: POD_LABELS,
        ports: [{ name: HTTP_PORT.name, port: HTTP_PORT.number, protocol: 'TCP', targetPort: HTTP_PORT.name }],
      },
    },
    ...(serviceMonitor
      ? [
          {
            apiVersion: 'monitoring.coreos.com/v1',
            kind: 'ServiceMonitor',
            metadata,
            spec: { selector, endpoints: [{ port: HTTP_PORT.name, path: '/metrics' }] },
          },
        ]
      : []),
  ]
}

function port(protocol: 'TCP' | 'UDP', number: number): JsonObject {
  return { protocol, port: number }
}
