import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { isJsonObject, type Json, type JsonObject } from '../../../contract/canonical-json.ts'
import type { FieldPath } from '../../../contract/schema/validate.ts'
import { checkSchemas } from '../../../packager/checks/schemas.ts'
import { parsePackageFile } from '../../../packager/package-file.ts'
import { objectsOf } from '../../../packager/render/objects.ts'
import { type Kubernetes, kindKey } from '../../../packager/schemas/builtins.ts'
import { readKubernetes } from '../../../packager/schemas/disk.ts'
import { readYaml } from '../../../packager/yaml/yaml.ts'
import { minorData, parseOpenApi } from '../../../tools/schemas/openapi.ts'
import { field, useControlPlane } from '../../real/control-plane.ts'
import { packageFile } from '../repository.ts'

/** The shipped data and the check, against the API server of the version that they speak of. */
const plane = await useControlPlane()
const kubernetes: Kubernetes = await readKubernetes('1.36')
const DATA = join(import.meta.dirname, '../../../packager/schemas/data/1.36.jsonl')
const SAMPLES = samples()
const namespace = await plane.freshNamespace()
await plane.serviceAccountToken(namespace, 'default')

function samples(): readonly JsonObject[] {
  const { documents, faults } = readYaml('objects.yaml', readFileSync(join(import.meta.dirname, 'objects.yaml')))
  assert.deepEqual(faults, [])
  return objectsOf('dev', 'objects.yaml', documents).objects.map(({ object }) => object)
}

test('the data of 1.36 says of every kind that the API server serves what the API server says', async () => {
  const index = field((await plane.api('GET', '/openapi/v3')).body, 'paths')
  assert.ok(isJsonObject(index))
  const groups = Object.keys(index).filter((path) => /^api\/v1$|^apis\/(?:[^./]+|[^/]+\.k8s\.io)\/v/.test(path))
  const documents = await Promise.all(
    groups.map(async (path) => parseOpenApi(JSON.stringify((await plane.api('GET', `/openapi/v3/${path}`)).body))),
  )
  const [, ...served] = minorData('', documents, [])
  assert.ok(served.length > 350, `${served.length}`)
  const shipped = new Map(linesOf(readFileSync(DATA, 'utf8')).map((line) => [lineKey(line), line]))
  for (const line of served) assert.deepEqual(shipped.get(lineKey(line)), line, lineKey(line))
})

test('objects of all kinds that the API server takes have no faults', async () => {
  assert.deepEqual(
    verdictsOf(SAMPLES),
    SAMPLES.map(() => []),
  )
  for (const sample of SAMPLES) assert.deepEqual(await ask(sample), { taken: true }, kindKey(typeOf(sample)))
})

test('a field that the kind does not have, or of another type, is refused by check exactly where the API server refuses it', async () => {
  const spoilt = SAMPLES.flatMap((sample) => [...withUnknownFields(sample), ...withWrongTypes(sample)])
  await compare(spoilt, 1500, sameBySchema)
})

test('a list that says the same twice is refused by check exactly where the API server refuses it for its schema', async () => {
  await compare(SAMPLES.flatMap(withDoubles), 30, sameBySchema)
})

test('where check misses a field, the API server does too', async () => {
  await compare(SAMPLES.flatMap(withoutFields), 300, (faults, answer) => faults.length === 0 || !answer.taken)
})

type Spoilt = { readonly what: string; readonly object: JsonObject }
/** `meaning`: its fields are right, and what they say together is not. */
type Answer = { readonly taken: true } | { readonly taken: false; readonly why: 'schema' | 'meaning' }

function sameBySchema(faults: readonly string[], answer: Answer): boolean {
  return faults.length > 0 ? !answer.taken : answer.taken || answer.why === 'meaning'
}

/** Holds check's verdicts against the API server's; at least so many are refusals. */
async function compare(
  spoilt: readonly Spoilt[],
  refusedMin: number,
  agree: (faults: readonly string[], answer: Answer) => boolean,
): Promise<void> {
  const verdicts = verdictsOf(spoilt.map(({ object }) => object))
  assert.ok(verdicts.filter((faults) => faults.length > 0).length > refusedMin)
  const disagreements: string[] = []
  const queue = [...spoilt.entries()]
  const work = async (): Promise<void> => {
    for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
      const [at, { what, object }] = next
      const [faults, answer] = [verdicts[at] ?? [], await ask(object)]
      if (!agree(faults, answer)) disagreements.push(`${what}: ${JSON.stringify([faults, answer])}`)
    }
  }
  await Promise.all(Array.from({ length: 8 }, work))
  assert.deepEqual(disagreements, [])
}

/** The faults of each object, told apart by their file. */
function verdictsOf(objects: readonly JsonObject[]): readonly (readonly string[])[] {
  const rendered = objects.map((object, i) => ({ environment: 'dev', origin: { file: `${i}`, path: [] }, object }))
  const { faults } = checkSchemas(
    { environments: { dev: rendered }, faults: [], tools: {} },
    parsePackageFile(Buffer.from(packageFile())),
    kubernetes,
  )
  const byFile = Map.groupBy(faults, ({ file }) => file)
  return objects.map((_, i) => (byFile.get(`${i}`) ?? []).map(({ message }) => message))
}

/** What the API server says to a strict dry run of server-side apply. */
async function ask(object: JsonObject): Promise<Answer> {
  const kind = kubernetes.builtins.kinds.get(kindKey(typeOf(object)))
  assert.ok(kind !== undefined)
  const root = kind.apiVersion.includes('/') ? `/apis/${kind.apiVersion}` : `/api/${kind.apiVersion}`
  const inside = field(object, 'metadata', 'namespace') ?? namespace
  const path = `${root}${kind.namespaced ? `/namespaces/${inside}` : ''}/${kind.resource}/${field(object, 'metadata', 'name')}`
  const query = 'fieldManager=test&force=true&dryRun=All&fieldValidation=Strict'
  const contentType = 'application/apply-patch+yaml'
  // It closes the stream where it panics: a Job with podFailurePolicy and without completions (1.36).
  const answer = await plane
    .api('PATCH', `${path}?${query}`, { body: object, contentType })
    .catch(() => ({ status: 422 }))
  if (answer.status < 300) return { taken: true }
  return { taken: false, why: answer.status === 422 ? 'meaning' : 'schema' }
}

function withUnknownFields(sample: JsonObject): readonly Spoilt[] {
  return placesIn(sample, []).flatMap(({ path, value }) =>
    isJsonObject(value) ? [spoil(sample, [...path, 'unknownField'], 'x', 'unknown')] : [],
  )
}

function withWrongTypes(sample: JsonObject): readonly Spoilt[] {
  return placesIn(sample, []).flatMap(({ path, value }) => {
    const other = typeof value === 'string' ? 7 : Array.isArray(value) ? { a: 1 } : 'x'
    return isFixed(path) ? [] : [spoil(sample, path, other, 'type')]
  })
}

function withoutFields(sample: JsonObject): readonly Spoilt[] {
  return placesIn(sample, []).flatMap(({ path }) =>
    isFixed(path) || typeof path.at(-1) === 'number' ? [] : [spoil(sample, path, undefined, 'missing')],
  )
}

function withDoubles(sample: JsonObject): readonly Spoilt[] {
  return placesIn(sample, []).flatMap(({ path, value }) =>
    Array.isArray(value) && value.length > 0 ? [spoil(sample, path, [...value, value[0] ?? null], 'double')] : [],
  )
}

/** What names the object, and a CRD's schemas, which have rules of their own. */
function isFixed(path: FieldPath): boolean {
  const [first, second] = path
  return path.length < 2 || (first === 'metadata' && ['name', 'namespace'].includes(`${second}`)) || isInCrdSchema(path)
}

function isInCrdSchema(path: FieldPath): boolean {
  return path.includes('openAPIV3Schema')
}

type Place = { readonly path: FieldPath; readonly value: Json }

function placesIn(value: Json, path: FieldPath): readonly Place[] {
  if (isInCrdSchema(path)) return []
  const below = Array.isArray(value)
    ? value.flatMap((one: Json, i) => placesIn(one, [...path, i]))
    : isJsonObject(value)
      ? Object.entries(value).flatMap(([name, one]) => placesIn(one ?? null, [...path, name]))
      : []
  return [{ path, value }, ...below]
}

function spoil(sample: JsonObject, path: FieldPath, value: Json | undefined, how: string): Spoilt {
  const object = put(sample, path, value)
  assert.ok(isJsonObject(object))
  return { what: `${how}: ${kindKey(typeOf(sample))} ${path.join('.')}`, object }
}

function put(value: Json, [step, ...rest]: FieldPath, wanted: Json | undefined): Json | undefined {
  if (step === undefined) return wanted
  if (Array.isArray(value)) return value.map((one: Json, i) => (i === step ? (put(one, rest, wanted) ?? null) : one))
  if (!isJsonObject(value)) return value
  return { ...value, [step]: put(value[step] ?? null, rest, wanted) }
}

function typeOf({ apiVersion, kind }: JsonObject): { readonly apiVersion: string; readonly kind: string } {
  return { apiVersion: `${apiVersion}`, kind: `${kind}` }
}

function linesOf(text: string): readonly JsonObject[] {
  return text.split('\n').flatMap((line) => {
    const value: Json = line === '' ? null : JSON.parse(line)
    return isJsonObject(value) ? [value] : []
  })
}

function lineKey({ name, apiVersion, kind }: JsonObject): string {
  return name === undefined ? `${apiVersion} ${kind}` : `${name}`
}
