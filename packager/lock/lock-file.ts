import { z } from 'zod'
import { compareBytes, digestSchema } from '../../contract/artifact/artifact.ts'
import type { Digest } from '../../contract/digest.ts'
import type { Fault } from '../../contract/errors.ts'
import { LIMITS } from '../../contract/limits.ts'
import { lineAt, readYaml, type YamlDocument } from '../yaml/yaml.ts'
import { parseImageName } from './image-name.ts'

/** The file's name, at the root of the repository, beside waybill.yaml. */
export const LOCK_FILE = 'waybill.lock'

/** Digests by image, as `docker.io/library/nginx:1.27`. */
export type LockedImages = ReadonlyMap<string, Digest>

/** What a lock file says, as far as it can be read, and what is wrong with it. */
export type Lock = { readonly images: LockedImages; readonly faults: readonly Fault[] }

export const NO_LOCK: Lock = { images: new Map(), faults: [] }

const HEAD = `# Which image each tag stands for. Written by \`waybill lock\`: commit it, and do not edit it.
apiVersion: waybill.dev/v1alpha1
kind: ImageLock
`

const fileSchema = z.strictObject({
  apiVersion: z.literal('waybill.dev/v1alpha1'),
  kind: z.literal('ImageLock'),
  images: z.array(z.unknown()),
})
const entrySchema = z.strictObject({ name: z.string().max(1024), digest: digestSchema })

/** The text of a lock file (docs/FORMAT.md): sorted, two lines an image, so that a change is a change of its lines alone. */
export function writeLock(images: LockedImages): string {
  if (images.size === 0) return `${HEAD}images: []\n`
  const entries = [...images].sort(([a], [b]) => compareBytes(a, b))
  return `${HEAD}images:\n${entries.map(([name, digest]) => `  - name: ${plain(name)}\n    digest: ${digest}\n`).join('')}`
}

/** Of the names that there are, only an IPv6 host starts with what YAML takes for something else. */
function plain(name: string): string {
  return name.startsWith('[') ? JSON.stringify(name) : name
}

/** Reads a lock file. What is wrong is LOCK_INVALID, or what `readYaml` says, with its line; entries that are right count all the same. */
export function readLock(bytes: Uint8Array): Lock {
  if (bytes.length > LIMITS.lockFileBytesMax) return brokenLock(`over ${LIMITS.lockFileBytesMax} bytes`)
  const { documents, faults } = readYaml(LOCK_FILE, bytes)
  if (faults.length > 0) return { images: new Map(), faults }
  const [document, second] = documents
  if (document === undefined || second !== undefined) return brokenLock('exactly one document is needed')
  const parsed = fileSchema.safeParse(document.value)
  return parsed.success
    ? readEntries(document, parsed.data.images)
    : { images: new Map(), faults: issuesOf(parsed.error, document, []) }
}

function readEntries(document: YamlDocument, entries: readonly unknown[]): Lock {
  const images = new Map<string, Digest>()
  const faults: Fault[] = []
  entries.forEach((value, i) => {
    const at = ['images', i]
    const entry = entrySchema.safeParse(value)
    if (!entry.success) {
      faults.push(...issuesOf(entry.error, document, at))
      return
    }
    const { name, digest } = entry.data
    const why = images.has(name) ? `${name} stands here twice` : nameFault(name)
    if (why === undefined) images.set(name, digest)
    else faults.push(faultAtLine(document, [...at, 'name'], why))
  })
  return { images, faults }
}

function nameFault(name: string): string | undefined {
  try {
    const wanted = parseImageName(name).name
    return wanted === name ? undefined : `write it in full: ${wanted}`
  } catch {
    return `${JSON.stringify(name.slice(0, 200))} is not an image with a tag and no digest`
  }
}

function issuesOf(error: z.ZodError, document: YamlDocument, at: readonly (string | number)[]): readonly Fault[] {
  return error.issues.map((issue) => {
    const path = [...at, ...issue.path.map((step) => (typeof step === 'number' ? step : String(step)))]
    return faultAtLine(document, path, `${path.join('.') || 'the file'}: ${issue.message}`)
  })
}

function faultAtLine(document: YamlDocument, path: readonly (string | number)[], message: string): Fault {
  return { code: 'LOCK_INVALID', message, file: LOCK_FILE, line: lineAt(document, path) }
}

/** A lock file that says nothing, and why. */
export function brokenLock(message: string): Lock {
  return { images: new Map(), faults: [{ code: 'LOCK_INVALID', message, file: LOCK_FILE, line: 1 }] }
}
