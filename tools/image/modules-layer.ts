import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PackageURL } from 'packageurl-js'
import { z } from 'zod'
import { WaybillError } from '../../contract/errors.ts'
import { listFiles } from '../../packager/disk.ts'
import type { Component } from './component.ts'
import { APP } from './image-config.ts'
import type { LayerEntry } from './tar-layer.ts'

export type ModulesLayer = { readonly entries: readonly LayerEntry[]; readonly components: readonly Component[] }

const lockedSchema = z.object({
  version: z.string().default(''),
  license: z.string().default('NOASSERTION'),
  integrity: z.string().optional(),
  dev: z.boolean().default(false),
  optional: z.boolean().default(false),
  devOptional: z.boolean().default(false),
})
const lockSchema = z.object({ packages: z.record(z.string(), lockedSchema) })

/**
 * The packages that package-lock.json gives to production, as they stand in node_modules, without what no program reads: types,
 * maps, sources, prose. Licence texts stay. @throws WaybillError TOOL_VERSION, naming every package that is not the one locked
 */
export async function modulesLayer(root: string): Promise<ModulesLayer> {
  const { packages } = lockSchema.parse(JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')))
  const wanted = Object.entries(packages)
    .filter(([path, { dev, optional, devOptional }]) => path !== '' && !dev && !optional && !devOptional)
    .filter(([path]) => !isTypesOnly(nameOf(path)))
  const wrong = wanted.filter(([path, { version }]) => installedVersion(join(root, path)) !== version)
  if (wrong.length > 0)
    throw new WaybillError(
      'TOOL_VERSION',
      `node_modules is not what package-lock.json says: ${wrong.map(([path, { version }]) => `${nameOf(path)}@${version}`).join(', ')}`,
      { hint: 'Run `npm ci`, and build again.' },
    )
  const entries = await Promise.all(wanted.map(([path]) => entriesOf(root, path)))
  return { entries: entries.flat(), components: wanted.map(([path, locked]) => componentOf(nameOf(path), locked)) }
}

async function entriesOf(root: string, path: string): Promise<readonly LayerEntry[]> {
  // What is nested below it is a package of its own, with an entry of its own in the lock file.
  const files = (await listFiles(join(root, path))).filter((file) => !file.startsWith('node_modules/') && isRun(file))
  return Promise.all(
    files.map(async (file): Promise<LayerEntry> => {
      return { kind: 'file', path: `${APP}/${path}/${file}`, bytes: await readFile(join(root, path, file)) }
    }),
  )
}

const licenseNames = /^(?:licen[cs]e|copying|notice|copyright|authors)/i
const unreadNames = /\.(?:[cm]?ts|map|md|markdown|flow|tsbuildinfo|bare)$|^\./
const unreadFolders = /^(?:tests?|__tests__|docs|examples?|bench(?:marks?)?|coverage|\.[^/]*)\//

/** False for what no program reads; `file` is relative to its package. */
export function isRun(file: string): boolean {
  const name = file.slice(file.lastIndexOf('/') + 1)
  return licenseNames.test(name) || !(unreadNames.test(name) || unreadFolders.test(file))
}

function isTypesOnly(name: string): boolean {
  return name.startsWith('@types/') || name === 'undici-types'
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)
}

function installedVersion(folder: string): string | undefined {
  try {
    return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).version
  } catch {
    return undefined
  }
}

function componentOf(name: string, { version, license, integrity }: z.infer<typeof lockedSchema>): Component {
  const [scope, bare] = name.startsWith('@') ? name.split('/') : [undefined, name]
  const sha512 = /^sha512-(\S+)$/.exec(integrity ?? '')?.[1]
  return {
    name,
    version,
    purl: new PackageURL('npm', scope, bare ?? name, version, undefined, undefined).toString(),
    license,
    ...(sha512 === undefined ? {} : { sha512: Buffer.from(sha512, 'base64').toString('hex') }),
    files: [],
  }
}
