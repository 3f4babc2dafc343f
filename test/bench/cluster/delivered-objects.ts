import type { KubeObject } from '../../../contract/artifact/objects.ts'

/** Objects of five kinds, without a namespace; all of them become well without a node to run on. */
export function smallObjects(count: number, word = 'first'): readonly KubeObject[] {
  return Array.from({ length: count }, (_, index) => smallObject(index, word))
}

/** A Deployment with 0 replicas, and what goes with it. */
export function fourObjects(): readonly KubeObject[] {
  return [0, 1, 2, 4].map((index) => smallObject(index, 'first'))
}

/** Of each ten, seven are ConfigMaps, and `word` is in those only. */
export function isConfigMap(index: number): boolean {
  return index % 10 > 3
}

export function nameOf(index: number): string {
  return `app-${String(index).padStart(5, '0')}`
}

function smallObject(index: number, word: string): KubeObject {
  const name = nameOf(index)
  const labels = { 'app.kubernetes.io/name': name, 'app.kubernetes.io/part-of': 'shop' }
  const metadata = { name, labels }
  if (isConfigMap(index))
    return { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { greeting: `Hello from ${name}`, word } }
  switch (index % 10) {
    case 0: {
      const container = {
        name: 'web',
        image: `registry.example.com/acme/${name}@sha256:${String(index).padStart(64, '0')}`,
        env: [{ name: 'PORT', value: '8080' }],
        resources: { requests: { cpu: '100m', memory: '128Mi' }, limits: { memory: '256Mi' } },
      }
      const template = { metadata: { labels }, spec: { containers: [container] } }
      const spec = { replicas: 0, selector: { matchLabels: labels }, template }
      return { apiVersion: 'apps/v1', kind: 'Deployment', metadata, spec }
    }
    case 1: {
      const ports = [{ name: 'http', port: 80, targetPort: 8080 }]
      return { apiVersion: 'v1', kind: 'Service', metadata, spec: { selector: labels, ports } }
    }
    case 2:
      return {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata,
        type: 'Opaque',
        data: { key: Buffer.from(name).toString('base64') },
      }
    default: {
      const spec = { podSelector: { matchLabels: labels }, policyTypes: ['Ingress'] }
      return { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata, spec }
    }
  }
}
