import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { ClusterNode } from '../node/node.ts'
import { issue } from '../node/pki.ts'

const PORT = 9443
const URL = `https://127.0.0.1:${PORT}`

/** Holds the writes of a namespace's ConfigMaps within the API server, so that an apply is in its middle for as long as a test needs. */
export type Gate = {
  /** How many writes wait at it. */
  held(): Promise<number>
  /** Lets them and all others through. */
  open(): Promise<void>
  /** Takes it away. */
  end(): Promise<void>
}

/** Puts up a gate, an admission webhook, that lets `allowed` writes through. It holds each for 30 s at most (the API's own bound), then refuses it. */
export async function putUpGate(node: ClusterNode, namespace: string, allowed: number): Promise<Gate> {
  const pki = dirname(node.registryCa)
  issue(pki, { file: 'gate', subject: '/CN=gate', names: ['IP:127.0.0.1'] })
  const script = join(import.meta.dirname, 'gate-server.ts')
  const server = node.run(process.execPath, [script, pki, String(PORT), String(allowed)])
  await node.eventually('the gate answers', () => node.get(URL).catch(() => undefined))
  const webhook = {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'ValidatingWebhookConfiguration',
    metadata: { name: 'gate' },
    webhooks: [
      {
        name: 'gate.example.com',
        clientConfig: { url: URL, caBundle: readFileSync(node.registryCa).toString('base64') },
        rules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE', 'UPDATE'], resources: ['configmaps'] }],
        namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } },
        sideEffects: 'None',
        admissionReviewVersions: ['v1'],
        timeoutSeconds: 30,
      },
    ],
  }
  await node.kubectl(['apply', '--server-side', '-f', '-'], { input: JSON.stringify(webhook) })
  return {
    held: async () => Number((await node.get(`${URL}/held`)).body),
    open: async () => void (await node.get(`${URL}/open`)),
    end: async () => {
      await node.kubectl(['delete', 'validatingwebhookconfiguration', 'gate'])
      await node.get(`${URL}/end`)
      await server
    },
  }
}
