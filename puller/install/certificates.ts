import type { KubeObject } from '../../contract/artifact/objects.ts'
import { digestOf } from '../../contract/digest.ts'

/** Holds the certificates of `install --ca-file`. */
export const CA_CONFIG_MAP = 'waybill-ca'
const DIRECTORY = '/etc/waybill/ca'
const KEY = 'ca.crt'

/** Certificates (PEM) that the puller trusts besides those of its image, for every host that it speaks to. */
export function certificateObjects(namespace: string, pem: string): KubeObject[] {
  return [{ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: CA_CONFIG_MAP, namespace }, data: { [KEY]: pem } }]
}

/** The parts of a pod that make Node trust them. It reads them once, so other certificates are other pods. */
export function certificateMount(pem: string) {
  return {
    annotations: { 'waybill.dev/ca-digest': digestOf(Buffer.from(pem)) },
    env: [{ name: 'NODE_EXTRA_CA_CERTS', value: `${DIRECTORY}/${KEY}` }],
    volumes: [{ name: 'ca', configMap: { name: CA_CONFIG_MAP } }],
    volumeMounts: [{ name: 'ca', mountPath: DIRECTORY, readOnly: true }],
  }
}
