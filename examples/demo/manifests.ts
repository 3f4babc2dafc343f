import { stringify } from 'yaml'
import { namespace } from './see.ts'

export const builderId = 'https://ci.example.com/waybill-demo'
export const source = 'https://git.example.com/acme/shop'

/** Who may say what runs here: only what this key built, from this source and branch, and promoted. */
export function trustPolicy(artifacts: string, publicKeyPem: string): string {
  const by = ['ci']
  return stringify({
    apiVersion: 'waybill.dev/v1alpha1',
    kind: 'TrustPolicy',
    metadata: { name: 'shop-demo' },
    spec: {
      repositories: [artifacts],
      authorities: [{ name: 'ci', key: { pem: publicKeyPem } }],
      require: {
        signature: { by },
        provenance: { by, builderId, sourceRepository: source, sourceRefs: ['refs/heads/main'] },
        release: { by },
        promotion: { by },
      },
    },
  })
}

/** Deliver what the channel `production` names to this cluster. */
export function delivery(artifacts: string): string {
  return stringify({
    apiVersion: 'waybill.dev/v1alpha1',
    kind: 'Delivery',
    metadata: { name: 'shop', namespace },
    spec: { source: { repository: artifacts, channel: 'production' }, interval: '3s' },
  })
}
