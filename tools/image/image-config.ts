import type { ContainerConfig } from './write-image.ts'

/** Who runs in the image: nobody's number on the node, and no name with rights. */
export const USER = { id: 65532, name: 'waybill' } as const

/** The folders that may be written, each meant to be a mounted volume where the root file system is read-only. */
export const WRITABLE = { temporary: '/tmp', cache: '/var/cache/waybill' } as const

/** Where the program is: `cli/waybill.js`, `dist`, `node_modules`, `package.json`. */
export const APP = '/app'

/** How the image is run. The Dockerfile says the same; a test compares them. */
export const IMAGE_CONFIG = {
  Entrypoint: ['/bin/node', `${APP}/cli/waybill.js`],
  Cmd: ['puller'],
  Env: ['HOME=/tmp', 'XDG_CACHE_HOME=/var/cache'],
  User: `${USER.id}:${USER.id}`,
  WorkingDir: '/tmp',
} as const satisfies ContainerConfig

/** What an image may weigh, compressed: every node of every cluster pulls it. */
export const compressedBytesMax = 70_000_000
