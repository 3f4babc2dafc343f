import { execFile } from 'node:child_process'
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { enumsOf } from './schemas/enums.ts'
import { groupNameOf, IN_WORDS, type Lifecycle, lifecyclesOf } from './schemas/lifecycle.ts'
import { minorData, parseOpenApi } from './schemas/openapi.ts'

/**
 * `npm run schemas` writes packager/schemas/data from Kubernetes' own Go modules: what each release's API server publishes as
 * OpenAPI v3, without what is not needed to check an object, and when API versions are deprecated and removed. The same pins, the same bytes.
 */
const RELEASES = ['1.31.14', '1.32.13', '1.33.13', '1.34.4', '1.35.4', '1.36.3']
/** Where lifecycles are read, later ones win: old releases still know of versions that new ones have forgotten. */
const LIFECYCLES = [
  'k8s.io/api@v0.24.17',
  'k8s.io/api@v0.31.14',
  'k8s.io/api@v0.36.3',
  'k8s.io/apiextensions-apiserver@v0.36.3',
  'k8s.io/kube-aggregator@v0.36.3',
]
const DATA = join(import.meta.dirname, '..', 'packager', 'schemas', 'data')

const run = promisify(execFile)

if (import.meta.main) await writeAll()

async function writeAll(): Promise<void> {
  await rm(DATA, { recursive: true, force: true })
  await mkdir(DATA, { recursive: true })
  for (const release of RELEASES) {
    const module = await moduleFolder(`k8s.io/kubernetes@v${release}`)
    const [major, minor] = release.split('.')
    const lines = minorData(release, await openApiOf(module), enumsOf(await goOpenApi(module)))
    await write(`${major}.${minor}.jsonl`, lines)
  }
  const found = new Map(IN_WORDS.map((one): [string, Lifecycle] => [`${one.apiVersion} ${one.kind}`, one]))
  for (const name of LIFECYCLES)
    for (const one of await lifecyclesIn(await moduleFolder(name))) found.set(`${one.apiVersion} ${one.kind}`, one)
  await write(
    'lifecycle.jsonl',
    [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, one]) => one),
  )
}

/** One JSON value a line, so that a new release is a diff that a person can read. */
async function write(name: string, values: readonly unknown[]): Promise<void> {
  const text = values.map((value) => `${JSON.stringify(value)}\n`).join('')
  await writeFile(join(DATA, name), text)
  process.stdout.write(`${name}: ${values.length} lines, ${text.length} bytes\n`)
}

/** Where Go keeps a module, fetched and checked by its checksum if need be. */
async function moduleFolder(module: string): Promise<string> {
  const { stdout } = await run('go', ['mod', 'download', '-json', module], { cwd: import.meta.dirname })
  const answer: unknown = JSON.parse(stdout)
  if (typeof answer === 'object' && answer !== null && 'Dir' in answer && typeof answer.Dir === 'string')
    return answer.Dir
  throw new Error(`go mod download ${module} names no folder`)
}

async function openApiOf(module: string) {
  const folder = join(module, 'api', 'openapi-spec', 'v3')
  const names = (await readdir(folder)).filter((name) => /^apis?__.*_openapi\.json$/.test(name)).sort()
  return Promise.all(names.map(async (name) => parseOpenApi(await readFile(join(folder, name), 'utf8'))))
}

/** The API server adds enums when it starts; in the modules they stand in Go only. */
function goOpenApi(module: string): Promise<string> {
  return readFile(join(module, 'pkg', 'generated', 'openapi', 'zz_generated.openapi.go'), 'utf8')
}

async function lifecyclesIn(module: string): Promise<readonly Lifecycle[]> {
  const files = (await readdir(module, { recursive: true }))
    .filter((name) => name.endsWith('zz_generated.prerelease-lifecycle.go'))
    .sort()
  const found = files.map(async (file) => {
    const folder = join(module, file, '..')
    const group = groupNameOf(
      await readFile(join(folder, 'doc.go'), 'utf8'),
      await readFile(join(folder, 'register.go'), 'utf8'),
    )
    return lifecyclesOf(group, folder.slice(folder.lastIndexOf('/') + 1), await readFile(join(module, file), 'utf8'))
  })
  return (await Promise.all(found)).flat()
}
