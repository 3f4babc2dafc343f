import type { EnvironmentDiff } from '../../../packager/diff/compare.ts'
import type { DiffReport, DiffSide } from '../../../packager/diff/report.ts'

const side: DiffSide = {
  name: 'main',
  kind: 'commit',
  package: 'shop',
  repository: 'registry.example.com/acme/shop',
  source: 'https://git.example.com/acme/shop',
  revision: `sha1:${'1'.repeat(40)}`,
  committedAt: '2026-11-21T10:00:00Z',
  kubernetes: '1.36',
  versions: [],
  tools: {},
}

/** A report of these environments, between two commits that share all else. */
export function reportOf(
  environments: Readonly<Record<string, EnvironmentDiff>>,
  other: Partial<DiffSide> = {},
): DiffReport {
  const sum = (change: 'added' | 'removed' | 'changed') =>
    Object.values(environments).reduce((all, { counts }) => all + counts[change], 0)
  return {
    differ: Object.values(environments).some(({ status }) => status !== 'same'),
    before: side,
    after: { ...side, name: 'HEAD', ...other },
    counts: { added: sum('added'), removed: sum('removed'), changed: sum('changed') },
    environments,
  }
}
