import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { test } from 'node:test'

/** The rules of docs/ARCHITECTURE.md that a file's text shows: who imports whom, and who touches the world. */
const ROOT = join(import.meta.dirname, '..')
const ROOMS = ['contract', 'packager', 'puller', 'cli'] as const
type Room = (typeof ROOMS)[number]

const MAY_IMPORT: Readonly<Record<Room, readonly Room[]>> = {
  contract: ['contract'],
  packager: ['packager', 'contract'],
  puller: ['puller', 'contract'],
  cli: ['cli', 'contract', 'packager', 'puller'],
}

/** Modules that touch the world. `node:os`, `node:path`, `node:crypto`, `node:util` only compute. */
const WORLD = [
  /^node:(?:fs|fs\/promises|child_process|net|tls|http|https|http2|dgram|dns|worker_threads|timers|timers\/promises)$/,
  /^undici$/,
  /^@kubernetes\/client-node$/,
  /^simple-git$/,
]

/** Adapters, named after what they touch. */
const ADAPTERS = /^(?:http|disk|cluster|process|clock|git)\.ts$/
/** Parts of an adapter that have files of their own, each with what it touches. A new one is a decision, made here. */
const ADAPTER_PARTS: Readonly<Record<string, string>> = {
  'contract/registry/login.ts': 'login files and credential helpers',
  'contract/registry/address.ts': 'what a host name is, for the pool of connections',
  'contract/registry/connections.ts': 'the pool of connections to a registry',
  'contract/registry/no-proxy.ts': 'what an address is, for the pool of connections',
  'packager/checkout.ts': 'the folder that a commit is laid out in',
  'packager/pack-commit.ts': 'the temporary folder around it all',
  'puller/cluster/cluster-access.ts': 'kubeconfig, tokens and the pool of connections to an API server',
  'puller/cluster/cluster-requests.ts': 'requests over the pool of connections to an API server',
  'puller/cluster/mounted.ts': 'the service account that a pod has mounted',
  'puller/cluster/discovery.ts': 'the age of what it remembers',
}
const ENTRIES = ['cli/main.ts', 'cli/waybill.js']

type Import = {
  readonly file: string
  readonly specifier: string
  readonly typeOnly: boolean
  /** Loaded when it is needed. */
  readonly late: boolean
}

const files = ROOMS.flatMap((room) => sources(join(ROOT, room)))
const imports = files.flatMap(importsOf)

test('the packager and the puller never import each other, the contract imports neither, and only the command line imports both', () => {
  const offences = imports.flatMap(({ file, specifier }) => {
    const target = specifier.startsWith('.') ? relative(ROOT, join(ROOT, dirname(file), specifier)) : undefined
    if (target === undefined) return []
    const from = roomOf(file)
    const to = roomOf(target)
    return from !== undefined && to !== undefined && MAY_IMPORT[from].includes(to) ? [] : [`${file} → ${target}`]
  })
  assert.deepEqual(offences, [])
})

test('the packager and the puller do not reach each other through a third file either', () => {
  assert.deepEqual(pathsBetween('packager', 'puller'), [])
  assert.deepEqual(pathsBetween('puller', 'packager'), [])
})

test('only adapters, which are named after what they touch, import what touches the world', () => {
  const offences = imports
    .filter(({ typeOnly, specifier }) => !typeOnly && WORLD.some((pattern) => pattern.test(specifier)))
    .filter(({ file }) => !isAdapter(file) && !ENTRIES.includes(file))
    .map(({ file, specifier }) => `${file} → ${specifier}`)
  assert.deepEqual(offences, [])
})

test('only the entry points read the environment and the arguments, or end the process', () => {
  const offences = files
    .filter((file) => !ENTRIES.includes(file))
    .flatMap((file) =>
      [...code(file).matchAll(/\bprocess\.(?:env|argv|exit|exitCode|stdout|stderr|cwd)\b/g)].map(
        ([found]) => `${file}: ${found}`,
      ),
    )
  assert.deepEqual(offences, [])
})

test('a puller in a pod does not load the library that reads kubeconfigs', () => {
  const loaded = new Set(['puller/puller.ts'])
  for (const file of loaded)
    for (const { specifier } of imports.filter((one) => one.file === file && !one.typeOnly && !one.late))
      loaded.add(specifier.startsWith('.') ? relative(ROOT, join(ROOT, dirname(file), specifier)) : specifier)
  assert.ok(loaded.has('puller/cluster/mounted.ts') && loaded.has('undici'))
  assert.ok(!loaded.has('@kubernetes/client-node'))
})

test('every part of an adapter that is listed here is there', () => {
  assert.deepEqual(
    Object.keys(ADAPTER_PARTS).filter((file) => !files.includes(file)),
    [],
  )
})

test('no file asks the clock but an adapter: time is passed in', () => {
  const offences = files
    .filter((file) => !ENTRIES.includes(file) && !isAdapter(file))
    .flatMap((file) =>
      [...code(file).matchAll(/\bDate\.now\(\)|\bnew Date\(\)|\bsetTimeout\(|\bsetInterval\(/g)].map(
        ([found]) => `${file}: ${found}`,
      ),
    )
  assert.deepEqual(offences, [])
})

test('there is no drawer without a name: no utils, helpers, common, misc, types, manager or service', () => {
  const nameless = /(?:^|\/)(?:utils?|helpers?|common|misc|types|manager|service)(?:\.ts$|\/)/
  assert.deepEqual(
    files.filter((file) => nameless.test(file)),
    [],
  )
})

function isAdapter(file: string): boolean {
  return ADAPTERS.test(file.slice(file.lastIndexOf('/') + 1)) || Object.hasOwn(ADAPTER_PARTS, file)
}

function pathsBetween(from: Room, to: Room): readonly string[] {
  const next = new Map<string, readonly string[]>()
  for (const { file, specifier } of imports) {
    if (!specifier.startsWith('.')) continue
    const target = relative(ROOT, join(ROOT, dirname(file), specifier))
    next.set(file, [...(next.get(file) ?? []), target])
  }
  const found: string[] = []
  const seen = new Set<string>()
  const walk = (file: string, path: readonly string[]): void => {
    if (roomOf(file) === to) found.push([...path, file].join(' → '))
    if (seen.has(file)) return
    seen.add(file)
    for (const target of next.get(file) ?? []) walk(target, [...path, file])
  }
  for (const file of files) if (roomOf(file) === from) walk(file, [])
  return found
}

function roomOf(file: string): Room | undefined {
  return ROOMS.find((room) => file.startsWith(`${room}/`))
}

function importsOf(file: string): readonly Import[] {
  const found = code(file).matchAll(
    /(?:^|\n)\s*(?:import|export)\s(type\s)?(?:[^'";]*?\sfrom\s)?\s*'([^']+)'|\bimport\('([^']+)'\)/g,
  )
  return [...found].map(([, type, fixed, dynamic]) => ({
    file,
    specifier: fixed ?? dynamic ?? '',
    typeOnly: type !== undefined,
    late: fixed === undefined,
  }))
}

/** The text without comments, so that prose is not taken for code. */
function code(file: string): string {
  return readFileSync(join(ROOT, file), 'utf8')
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/^\s*\/\/.*$/gm, '')
}

function sources(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(?:ts|js)$/.test(entry.name))
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)))
    .sort()
}
