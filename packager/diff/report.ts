import { compareBytes } from '../../contract/artifact/artifact.ts'
import { type Counts, compareTrees, type EnvironmentDiff, type Tree } from './compare.ts'

/** One of the two things that are compared. */
export type DiffSide = {
  /** As it was named: a reference, a layout's folder, or a revision. */
  readonly name: string
  readonly kind: 'release' | 'commit'
  /** Of a release. */
  readonly digest?: string
  readonly package: string
  readonly repository: string
  readonly source: string
  readonly revision: string
  readonly committedAt: string
  /** '' where none is pinned. */
  readonly kubernetes: string
  /** Versions that a release's statements claim; nothing here was verified. */
  readonly versions: readonly string[]
  /** Versions of the tools that rendered it, by name; of a release as its provenance claims, where it has one. */
  readonly tools?: Readonly<Record<string, string>>
  /** Of the commit that is checked out: there are changes that are not committed, and that were not compared. */
  readonly uncommitted?: true
}

/** All that differs between two releases or commits; what `--output json` prints. */
export type DiffReport = {
  readonly differ: boolean
  readonly before: DiffSide
  readonly after: DiffSide
  readonly counts: Counts
  readonly environments: Readonly<Record<string, EnvironmentDiff>>
}

export type Trees = ReadonlyMap<string, Tree>

/** Compares two sides, environment by environment. Of an environment whose tree digest is the same no objects are needed. Pure. */
export function compareSides(
  before: { readonly side: DiffSide; readonly trees: Trees },
  after: { readonly side: DiffSide; readonly trees: Trees },
): DiffReport {
  const names = [...new Set([...before.trees.keys(), ...after.trees.keys()])].sort(compareBytes)
  const environments = names.map((name) => [name, compareTrees(before.trees.get(name), after.trees.get(name))] as const)
  const total = (change: keyof Counts) => environments.reduce((sum, [, { counts }]) => sum + counts[change], 0)
  return {
    differ: environments.some(([, { status }]) => status !== 'same'),
    before: before.side,
    after: after.side,
    counts: { added: total('added'), removed: total('removed'), changed: total('changed') },
    environments: Object.fromEntries(environments),
  }
}
