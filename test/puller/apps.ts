import type { KubeObject } from '../../contract/artifact/objects.ts'
import type { Json, JsonObject } from '../../contract/canonical-json.ts'

/** Annotations of `waybill.dev/`, without that. */
type Marks = Readonly<Record<string, string>>

const marked = (marks: Marks) => ({
  annotations: Object.fromEntries(Object.entries(marks).map(([name, value]) => [`waybill.dev/${name}`, value])),
})

/** A Deployment whose Pods are ready at once, or behave as `pod` says (test/real/kwok-stages.yaml). */
export function app(name: string, marks: Marks = {}, pod?: 'pending', spec: JsonObject = {}): KubeObject {
  const labels = { app: name }
  const metadata = pod === undefined ? { labels } : { labels, annotations: { 'waybill.test/pod': pod } }
  const containers: Json = [{ name: 'app', image: 'registry.example.com/app:1' }]
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, ...marked(marks) },
    spec: { replicas: 1, selector: { matchLabels: labels }, ...spec, template: { metadata, spec: { containers } } },
  }
}

/** A Job of one Pod that succeeds at once, or behaves as `pod` says. */
export function job(
  name: string,
  marks: Marks = {},
  {
    image = 'registry.example.com/migrate:1',
    pod,
    ...spec
  }: { image?: string; pod?: 'fail' | 'pending' } & JsonObject = {},
): KubeObject {
  const metadata = pod === undefined ? {} : { annotations: { 'waybill.test/pod': pod } }
  const containers: Json = [{ name: 'run', image }]
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name, ...marked(marks) },
    spec: { backoffLimit: 0, ...spec, template: { metadata, spec: { restartPolicy: 'Never', containers } } },
  }
}
