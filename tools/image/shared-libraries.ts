import { readFile, realpath } from 'node:fs/promises'
import { PackageURL } from 'packageurl-js'
import { WaybillError } from '../../contract/errors.ts'
import { runProcess } from '../../packager/process.ts'
import type { Component } from './component.ts'
import { machineFile } from './machine-file.ts'

/** A library that a program loads, at the path where its loader looks for it. */
export type SharedLibrary = { readonly path: string; readonly bytes: Uint8Array }

export type SharedLibraries = {
  readonly libraries: readonly SharedLibrary[]
  /** The packages that they are from, each once. */
  readonly components: readonly Component[]
  /** Licence texts of these packages, where the machine has them. */
  readonly licenses: readonly { readonly component: string; readonly bytes: Uint8Array }[]
}

const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' }

/**
 * The libraries, loader included, that a program of this machine is linked with, all the way down.
 * @throws WaybillError TOOL_MISSING (no ldd), TOOL_FAILED when one is not there
 */
export async function sharedLibrariesOf(program: string): Promise<SharedLibraries> {
  const { stdout, stderr, code } = await runProcess({ command: 'ldd', args: [program], env })
  if (code !== 0) throw new WaybillError('TOOL_FAILED', `ldd ${program}: ${stderr.trim().slice(0, 500)}`)
  const paths = pathsIn(program, Buffer.from(stdout).toString('utf8'))
  const found = await Promise.all(
    paths.map(async (path) => ({ path, bytes: await readFile(path), package: await packageOf(path) })),
  )
  const packages = new Map(found.map((one) => [one.package.name, one.package]))
  const components = [...packages.values()].map((one) => ({
    ...one,
    files: found
      .filter(({ package: { name } }) => name === one.name)
      .map(({ path, bytes }) => machineFile(path, bytes)),
  }))
  const licenses = await Promise.all(
    components.map(async ({ name }) => {
      const bytes = await readFile(`/usr/share/doc/${name}/copyright`).catch(() => undefined)
      return bytes === undefined ? [] : [{ component: name, bytes }]
    }),
  )
  return {
    libraries: found.map(({ path, bytes }) => ({ path, bytes })),
    components,
    licenses: licenses.flat(),
  }
}

/** What ldd prints: `libc.so.6 => /lib/… (0x…)`, `/lib64/ld-linux-x86-64.so.2 (0x…)`, and what the kernel brings, which has no path. */
export function pathsIn(program: string, text: string): readonly string[] {
  const lines = text.split('\n').map((line) => line.trim())
  const missing = lines.filter((line) => line.endsWith('=> not found'))
  if (missing.length > 0)
    throw new WaybillError('TOOL_FAILED', `${program} does not run here: ${missing.join(', ')}`, {
      hint: 'Install the libraries that are named, or run `npm ci`, which brings a Node along.',
    })
  const paths = lines.flatMap((line) => /^(?:\S+ => )?(\/\S+) \(0x[0-9a-f]+\)$/.exec(line)?.[1] ?? [])
  return [...new Set(paths)].sort()
}

type Package = Omit<Component, 'files'>

/** Licences as these packages' own copyright files have them. */
const LICENSES: readonly (readonly [RegExp, string])[] = [
  [/^libc6/, 'LGPL-2.1-or-later'],
  [/^lib(?:stdc\+\+|gcc)/, 'GPL-3.0-or-later WITH GCC-exception-3.1'],
]

/** The Debian package (or of what descends from it) that a file is from; elsewhere the file stands for itself. */
async function packageOf(path: string): Promise<Package> {
  for (const name of new Set([path, await realpath(path), path.replace(/^\/usr/, ''), `/usr${path}`])) {
    const owner = await ask(['-S', name])
    const [named = ''] = owner.split(': ')
    if (named === '') continue
    const [version = '', arch = ''] = (await ask(['-W', '-f', `\${Version} \${Architecture}`, named])).split(' ')
    const short = named.replace(/:.*$/, '')
    return {
      name: short,
      version,
      purl: new PackageURL('deb', await distribution(), short, version, { arch }, undefined).toString(),
      license: LICENSES.find(([pattern]) => pattern.test(short))?.[1] ?? 'NOASSERTION',
    }
  }
  const name = path.slice(path.lastIndexOf('/') + 1)
  return { name, version: 'NOASSERTION', purl: `pkg:generic/${encodeURIComponent(name)}`, license: 'NOASSERTION' }
}

async function ask(args: readonly string[]): Promise<string> {
  const answer = await runProcess({ command: 'dpkg-query', args, env }).catch(() => undefined)
  return answer?.code === 0 ? Buffer.from(answer.stdout).toString('utf8').trim() : ''
}

async function distribution(): Promise<string> {
  const text = await readFile('/etc/os-release', 'utf8').catch(() => '')
  return /^ID="?([a-z0-9._-]+)"?$/m.exec(text)?.[1] ?? 'debian'
}
