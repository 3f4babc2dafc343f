import assert from 'node:assert/strict'
import { execFile, execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { stringify } from 'yaml'
import type { KubeObject } from '../../contract/artifact/objects.ts'
import { ensureTools } from '../../tools/build.ts'
import { makeKey } from '../fakes/keys.ts'
import { startFakeRegistry } from '../fakes/registry.ts'

/** What is counted once, and how much of it is allowed, where something was promised. */
export type Count = { readonly what: string; readonly count: number; readonly unit: string; readonly atMost?: number }

const waybill = join(import.meta.dirname, '..', '..', 'cli', 'waybill.js')
/** Prints the most memory that the process ever had, in KiB, as its last words. */
const lastWords = `process.on("exit", () => console.error("maxRSS " + process.resourceUsage().maxRSS))`

/** The memory of `waybill pack` over a repository of `objects`, 100 to a file. */
export function memoryOfPacking(objects: readonly KubeObject[]): Count {
  const folder = mkdtempSync(join(tmpdir(), 'waybill-bench-'))
  try {
    makeRepository(folder, objects)
    const args = [
      '--import',
      `data:text/javascript,${lastWords}`,
      waybill,
      'pack',
      '--repo',
      folder,
      '--out',
      `${folder}.out`,
    ]
    const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
    assert.equal(status, 0, stderr)
    const kib = Number(/maxRSS (\d+)\n$/.exec(stderr)?.[1])
    assert.ok(kib > 0, stderr)
    return {
      what: `memory of packing ${objects.length} objects, at its highest`,
      count: kib / 1024,
      unit: 'MB',
      atMost: 400,
    }
  } finally {
    for (const made of [folder, `${folder}.out`]) rmSync(made, { recursive: true, force: true })
  }
}

/** The requests of `waybill publish` with a version and a channel, read-back included, to a registry that has nothing yet. */
export async function requestsOfPublishing(objects: readonly KubeObject[]): Promise<readonly Count[]> {
  const { oras } = await ensureTools(['oras'])
  const folder = mkdtempSync(join(tmpdir(), 'waybill-bench-'))
  const registry = await startFakeRegistry()
  try {
    makeRepository(folder, objects, `${registry.host}/acme/shop`)
    const key = join(folder, 'release.pem')
    writeFileSync(key, makeKey().pem)
    const args = [
      'publish',
      '--repo',
      folder,
      '--key',
      key,
      '--version',
      '1.0.0',
      '--channel',
      'staging',
      '--plain-http',
    ]
    await ended(process.execPath, [waybill, ...args], { ...process.env, WAYBILL_ORAS: oras })
    return countsOf(registry.requests)
  } finally {
    await registry.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

function countsOf(requests: readonly string[]): readonly Count[] {
  const uploaded = requests.flatMap((request) => /^PUT .*[?&]digest=(\S+)/.exec(request)?.[1] ?? [])
  const blobs = new Set(uploaded).size
  // A tag is a second name for a manifest that was put by its digest before.
  const manifests = new Set(requests.filter((request) => /^PUT .*\/manifests\/sha256:/.test(request))).size
  assert.ok(blobs > 2 && manifests > 2, requests.join('\n'))
  const of = (part: string) => requests.filter((request) => request.includes(part)).length
  const count = (what: string, all: number, parts: number, atMost: number) => ({
    what: `publish ${manifests} manifests and ${blobs} blobs: ${what} (${all} in all)`,
    count: all / parts,
    unit: '',
    atMost,
  })
  return [
    count('requests a blob', of('/blobs/'), blobs, 3),
    count('requests a manifest, referrers and read-back included', of('/manifests/') + of('/referrers/'), manifests, 7),
    count('uploads a blob', uploaded.length, blobs, 1),
  ]
}

function makeRepository(
  folder: string,
  objects: readonly KubeObject[],
  repository = 'registry.example.com/acme/shop',
): void {
  const files: Record<string, string> = {
    'waybill.yaml': stringify({
      apiVersion: 'waybill.dev/v1alpha1',
      kind: 'Package',
      metadata: { name: 'shop' },
      spec: {
        repository,
        source: 'https://git.example.com/acme/shop',
        kubernetes: { version: '1.36' },
        environments: { production: { manifests: ['deploy'] } },
      },
    }),
  }
  for (let at = 0; at < objects.length; at += 100) {
    const documents = objects.slice(at, at + 100).map((object) => stringify(object, { aliasDuplicateObjects: false }))
    files[`deploy/${String(at).padStart(6, '0')}.yaml`] = documents.join('---\n')
  }
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), text)
  }
  const git = (...args: readonly string[]) =>
    execFileSync('git', ['-c', 'user.name=Ada', '-c', 'user.email=ada@example.com', ...args], { cwd: folder })
  git('init', '-q', '-b', 'main')
  git('add', '-A')
  git('commit', '-q', '-m', 'Open the shop')
}

/** Runs a program beside this process, which the registry is part of. */
function ended(command: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<void> {
  return new Promise((resolve, reject) => {
    execFile(command, [...args], { env }, (error, _stdout, stderr) => {
      if (error === null) resolve()
      else reject(new Error(`${command}: ${stderr}`, { cause: error }))
    })
  })
}
