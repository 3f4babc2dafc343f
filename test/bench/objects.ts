import type { KubeObject } from '../../contract/artifact/objects.ts'

/** A shop's objects as a chart renders them: a ConfigMap, a Service and a Deployment in turn. */
export function shopObjects(count: number): readonly KubeObject[] {
  return Array.from({ length: count }, (_, index) => object(index))
}

function object(index: number): KubeObject {
  const app = `app-${String(Math.floor(index / 3)).padStart(4, '0')}`
  const labels = { 'app.kubernetes.io/name': app, 'app.kubernetes.io/part-of': 'shop' }
  const metadata = { name: app, namespace: 'shop', labels }
  if (index % 3 === 0) return { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { greeting: `Hello from ${app}` } }
  const ports = [{ name: 'http', port: 80, targetPort: 8080 }]
  if (index % 3 === 1) return { apiVersion: 'v1', kind: 'Service', metadata, spec: { selector: labels, ports } }
  const container = {
    name: 'web',
    image: `registry.example.com/acme/${app}@sha256:${String(index).padStart(64, '0')}`,
    env: [{ name: 'PORT', value: '8080' }],
    resources: { requests: { cpu: '100m', memory: '128Mi' }, limits: { memory: '256Mi' } },
    readinessProbe: { httpGet: { path: '/ready', port: 8080 }, periodSeconds: 5 },
  }
  const template = { metadata: { labels }, spec: { containers: [container] } }
  const spec = { replicas: 2, selector: { matchLabels: labels }, template }
  return { apiVersion: 'apps/v1', kind: 'Deployment', metadata, spec }
}
