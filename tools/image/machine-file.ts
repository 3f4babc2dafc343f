import { createHash } from 'node:crypto'
import type { ComponentFile } from './component.ts'

/** What a component lists of a file that the machine brings along. */
export function machineFile(path: string, bytes: Uint8Array): ComponentFile {
  const hex = (algorithm: string) => createHash(algorithm).update(bytes).digest('hex')
  return { path, sha256: hex('sha256'), sha1: hex('sha1') }
}
