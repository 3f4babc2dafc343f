import type { Rendering } from '../package-file.ts'
import { referencesOf } from '../render/kustomization.ts'
import { KUSTOMIZATION_FILES } from '../render/render-manifests.ts'
import { isEnvironmentFolder, labelOf, lastOf, parentOf } from './environment-names.ts'
import { findCharts } from './find-charts.ts'
import { findPlain } from './find-plain.ts'
import { type Files, isUnder, mappingIn, ONLY_ENVIRONMENT, ordered, type Source } from './source.ts'

/** Folders whose manifests are hardly meant to be delivered; --from names one all the same. */
const LEFT_OUT = /(?:^|\/)(?:\.[^/]*|node_modules|vendor|third_party|testdata|tests?|fixtures|examples|docs)\//

/** Everything that a repository's files could be delivered from, sorted by path. `name` is the package's. Pure. */
export function findSources(files: Files, from: readonly string[], name: string): readonly Source[] {
  const within = new Map([...files].filter(([path]) => isWithin(path, from)))
  const overlays = findKustomizations(files)
  const charts = findCharts(
    within,
    new Map([...files].filter(([path]) => !LEFT_OUT.test(path) || within.has(path))),
    name,
  )
  const chartFolders = charts.map(({ path }) => path)
  const taken = [...overlays.folders, ...chartFolders]
  const free = new Map([...within].filter(([path]) => !overlays.used.has(path) && !isUnder(path, taken)))
  const isAsked = (folder: string) => isWithin(inside(folder), from) && !isUnder(inside(folder), chartFolders)
  const roots = overlays.roots.filter(isAsked)
  const found = [...groupFolders(roots), ...charts, ...findPlain(free)]
  return found.toSorted((a, b) => (a.path < b.path ? -1 : 1))
}

/** How the path of a file in a folder begins. */
function inside(folder: string): string {
  return folder === '.' ? '' : `${folder}/`
}

function isWithin(path: string, from: readonly string[]): boolean {
  return from.length === 0 ? !LEFT_OUT.test(path) : from.some((folder) => folder === path || isUnder(path, [folder]))
}

type Kustomizations = {
  readonly folders: readonly string[]
  /** Those that no other one builds on. */
  readonly roots: readonly string[]
  /** Files that one of them names. */
  readonly used: ReadonlySet<string>
}

function findKustomizations(files: Files): Kustomizations {
  const found = [...files].flatMap(([path, bytes]) =>
    KUSTOMIZATION_FILES.includes(lastOf(path))
      ? [{ folder: parentOf(path) || '.', value: mappingIn(path, bytes) }]
      : [],
  )
  const used = new Set(found.flatMap(({ folder, value }) => referencesOf(value).map(({ ref }) => resolve(folder, ref))))
  const roots = found.filter(({ folder, value }) => value.kind !== 'Component' && !used.has(folder))
  return { folders: found.map(({ folder }) => folder), roots: roots.map(({ folder }) => folder), used }
}

function resolve(folder: string, ref: string): string {
  const parts: string[] = folder === '.' ? [] : folder.split('/')
  for (const part of ref.split('/')) {
    if (part === '..') parts.pop()
    else if (part !== '.' && part !== '') parts.push(part)
  }
  return parts.join('/') || '.'
}

/** Folders that stand for environments are one source with those beside them; each other one is a source of its own. */
function groupFolders(folders: readonly string[]): readonly Source[] {
  const rendering = (path: string): Rendering => ({ kind: 'kustomize', path })
  const named = folders.filter((path) => isEnvironmentFolder(path))
  const groups = Map.groupBy(named, parentOf)
  const grouped = [...groups].map(([parent, paths]): Source => {
    const environments = paths.map((path) => [labelOf(lastOf(path)), rendering(path)] as const)
    return { kind: 'kustomize', path: parent || '.', environments: ordered(environments) }
  })
  const alone = folders.filter((path) => !named.includes(path))
  return [
    ...grouped,
    ...alone.map(
      (path): Source => ({ kind: 'kustomize', path, environments: { [ONLY_ENVIRONMENT]: rendering(path) } }),
    ),
  ]
}
