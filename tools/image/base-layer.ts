import { APP, USER, WRITABLE } from './image-config.ts'
import { NODE_PATH, type NodeRuntime } from './node-runtime.ts'
import type { SharedLibraries } from './shared-libraries.ts'
import type { LayerEntry } from './tar-layer.ts'

/** Node, the libraries that it is linked with, and the few files that they read; nothing that starts anything else. */
export function baseLayer(node: NodeRuntime, { libraries, licenses }: SharedLibraries): readonly LayerEntry[] {
  const mine = { uid: USER.id, gid: USER.id }
  return [
    { kind: 'file', path: NODE_PATH, bytes: node.bytes, mode: 0o755 },
    ...libraries.map(({ path, bytes }): LayerEntry => ({ kind: 'file', path, bytes, mode: 0o755 })),
    text('/etc/passwd', [
      `root:x:0:0:root:/:/sbin/nologin`,
      `${USER.name}:x:${USER.id}:${USER.id}::/tmp:/sbin/nologin`,
    ]),
    text('/etc/group', ['root:x:0:', `${USER.name}:x:${USER.id}:`]),
    text('/etc/nsswitch.conf', ['passwd: files', 'group: files', 'hosts: files dns']),
    { kind: 'file', path: '/etc/ssl/certs/ca-certificates.crt', bytes: Buffer.from(node.rootCertificates) },
    { kind: 'folder', path: WRITABLE.temporary, mode: 0o1777 },
    { kind: 'folder', path: WRITABLE.cache, mode: 0o755, ...mine },
    { kind: 'folder', path: APP },
    ...(node.license === undefined ? [] : [licenseOf('node', node.license)]),
    ...licenses.map(({ component, bytes }) => licenseOf(component, bytes)),
  ]
}

function text(path: string, lines: readonly string[]): LayerEntry {
  return { kind: 'file', path, bytes: Buffer.from(`${lines.join('\n')}\n`) }
}

function licenseOf(component: string, bytes: Uint8Array): LayerEntry {
  return { kind: 'file', path: `/usr/share/doc/${component}/copyright`, bytes }
}
