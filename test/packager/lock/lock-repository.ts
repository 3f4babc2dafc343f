import type { Digest } from '../../../contract/digest.ts'
import { CONFIG_MAP, type Files, packageFile } from '../repository.ts'

/** A Deployment with these containers' images, in the order given. */
export function deploymentOf(...images: readonly string[]): string {
  const containers = images.map((image, i) => `        - {name: c${i}, image: ${JSON.stringify(image)}}`).join('\n')
  return `apiVersion: apps/v1
kind: Deployment
metadata: {name: api, namespace: shop}
spec:
  selector: {matchLabels: {app: api}}
  template:
    metadata: {labels: {app: api}}
    spec:
      containers:
${containers}
`
}

/** A package whose one Deployment has these images. */
export function filesWith(...images: readonly string[]): Files {
  return { 'waybill.yaml': packageFile(), 'deploy/api.yaml': deploymentOf(...images), 'deploy/shop.yaml': CONFIG_MAP }
}

/** The text of a lock file with these entries, as a person may have it. */
export function lockText(entries: Readonly<Record<string, Digest | string>>): string {
  const lines = Object.entries(entries).map(([name, digest]) => `  - name: ${name}\n    digest: ${digest}\n`)
  return `apiVersion: waybill.dev/v1alpha1\nkind: ImageLock\nimages:\n${lines.join('')}`
}

/** The bytes of an index of images for two platforms; `what` makes it another one. */
export function imageIndex(what: string): Buffer {
  const mediaType = 'application/vnd.oci.image.manifest.v1+json'
  const manifests = ['amd64', 'arm64'].map((architecture, i) => ({
    mediaType,
    digest: `sha256:${String(i).repeat(64)}`,
    size: 2,
    platform: { os: 'linux', architecture },
  }))
  const index = { schemaVersion: 2, mediaType: 'application/vnd.oci.image.index.v1+json', manifests }
  return Buffer.from(JSON.stringify({ ...index, annotations: { what } }))
}
