import { type KubeObject, objectId } from '../artifact/objects.ts'
import { isJsonObject, type Json } from '../canonical-json.ts'

/** What people write on delivered objects (docs/FORMAT.md, "Order"). */
export const ORDER_ANNOTATION = {
  wave: 'waybill.dev/wave',
  dependsOn: 'waybill.dev/depends-on',
  run: 'waybill.dev/run',
  runCleanup: 'waybill.dev/run-cleanup',
  prune: 'waybill.dev/prune',
} as const
export type OrderAnnotation = (typeof ORDER_ANNOTATION)[keyof typeof ORDER_ANNOTATION]

/** Waves go from -WAVE_MAX to WAVE_MAX. */
export const WAVE_MAX = 1000

/** An object that another one depends on; `namespace` is undefined where none is written. */
export type Dependency = {
  readonly group: string
  readonly kind: string
  readonly namespace: string | undefined
  readonly name: string
  /** As it was written, without spaces around it. */
  readonly text: string
}

/** How a run ended. */
export type RunEnd = 'succeeded' | 'failed'

/** What an object's annotations say; defaults where they say nothing, or nothing that can be read. */
export type Directives = {
  readonly wave: number
  /** In the order written, each once. */
  readonly dependsOn: readonly Dependency[]
  /** Only on Jobs: runs once for each digest. */
  readonly run: 'once-per-release' | undefined
  /** After which end the Job of `run` is deleted. */
  readonly runCleanup: readonly RunEnd[]
  /** What is not to be deleted when it leaves the release: never, or once a person confirms. */
  readonly prune: 'never' | 'confirm' | undefined
}

/** An annotation that cannot be meant as it is written. */
export type AnnotationFault = { readonly annotation: OrderAnnotation; readonly message: string }

type Read<T> = { readonly value: T } | { readonly problem: string }

/** Reads the directives of one object, and every fault of theirs. */
export function readDirectives(object: KubeObject): {
  readonly directives: Directives
  readonly faults: readonly AnnotationFault[]
} {
  const { annotations } = object.metadata
  if (!isJsonObject(annotations)) return { directives: NONE, faults: [] }
  const faults: AnnotationFault[] = []
  const read = <T>(annotation: OrderAnnotation, absent: T, parse: (text: string) => Read<T>): T => {
    const written = annotations[annotation]
    if (written === undefined) return absent
    const found = typeof written === 'string' ? parse(written) : { problem: unquoted(written) }
    if ('value' in found) return found.value
    faults.push({ annotation, message: `${annotation} ${found.problem}` })
    return absent
  }
  const directives: Directives = {
    wave: read(ORDER_ANNOTATION.wave, NONE.wave, parseWave),
    dependsOn: read(ORDER_ANNOTATION.dependsOn, NONE.dependsOn, parseDependencies),
    run: read(ORDER_ANNOTATION.run, NONE.run, (text) => parseRun(text, object)),
    runCleanup: read(ORDER_ANNOTATION.runCleanup, NONE.runCleanup, (text) =>
      annotations[ORDER_ANNOTATION.run] === undefined
        ? { problem: `says nothing without ${ORDER_ANNOTATION.run}` }
        : parseEnds(text),
    ),
    prune: read(ORDER_ANNOTATION.prune, NONE.prune, parsePrune),
  }
  return { directives, faults }
}

const NONE: Directives = { wave: 0, dependsOn: [], run: undefined, runCleanup: [], prune: undefined }

function unquoted(written: Json): string {
  const type = written === null ? 'null' : Array.isArray(written) ? 'a list' : `a ${typeof written}`
  return `is ${type}, and annotations are text: quote it`
}

function parseWave(text: string): Read<number> {
  const wave = /^(?:0|-?[1-9][0-9]{0,3})$/.test(text) ? Number(text) : undefined
  if (wave !== undefined && Math.abs(wave) <= WAVE_MAX) return { value: wave }
  return { problem: `is a whole number from -${WAVE_MAX} to ${WAVE_MAX}, not ${quoted(text)}` }
}

function parseRun(text: string, object: KubeObject): Read<'once-per-release'> {
  if (text !== 'once-per-release') return { problem: `is once-per-release, not ${quoted(text)}` }
  const { group, kind } = objectId(object)
  return group === 'batch' && kind === 'Job' ? { value: text } : { problem: 'is for Jobs (batch/v1) only' }
}

function parseEnds(text: string): Read<readonly RunEnd[]> {
  const ends = parts(text)
  const known = ends.filter((end): end is RunEnd => end === 'succeeded' || end === 'failed')
  if (known.length === ends.length && new Set(known).size === known.length) return { value: known }
  return { problem: `is succeeded, failed or both, with a comma between, not ${quoted(text)}` }
}

function parsePrune(text: string): Read<'never' | 'confirm'> {
  return text === 'never' || text === 'confirm'
    ? { value: text }
    : { problem: `is never or confirm, not ${quoted(text)}` }
}

/** The syntax of `config.kubernetes.io/depends-on` of cli-utils. */
function parseDependencies(text: string): Read<readonly Dependency[]> {
  const found = new Map<string, Dependency>()
  for (const part of parts(text)) {
    const dependency = parseDependency(part)
    if (dependency === undefined) return { problem: `names objects as ${SYNTAX}, not as ${quoted(part)}` }
    found.set(part, dependency)
  }
  return { value: [...found.values()] }
}

const SYNTAX = 'GROUP/namespaces/NAMESPACE/KIND/NAME, or GROUP/KIND/NAME without a namespace (GROUP is empty for core)'

function parseDependency(text: string): Dependency | undefined {
  const fields = text.split('/')
  const [group = '', first = '', second = '', third = '', fourth = ''] = fields
  const parsed =
    fields.length === 5 && first === 'namespaces' && second !== ''
      ? { group, kind: third, namespace: second, name: fourth, text }
      : fields.length === 3
        ? { group, kind: first, namespace: undefined, name: second, text }
        : undefined
  return parsed === undefined || parsed.kind === '' || parsed.name === '' || /\s/.test(text) ? undefined : parsed
}

function parts(text: string): readonly string[] {
  return text.split(',').map((part) => part.trim())
}

/** Bounded, as annotations may be long. */
function quoted(text: string): string {
  return JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text)
}
