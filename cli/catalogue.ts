import type { Verb } from './verb.ts'

export type CatalogueEntry = {
  readonly name: string
  readonly summary: string
  readonly load: () => Promise<Verb>
}

/** Every verb, in the order in which --help lists them. A verb's file, and all that it needs, is read only when it is asked for. */
export const CATALOGUE: readonly CatalogueEntry[] = [
  entry('init', 'write a first waybill.yaml out of what a repository holds', () => import('./verbs/init.ts')),
  entry('render', 'print what a commit renders to, environment by environment', () => import('./verbs/render.ts')),
  entry('check', 'find every fault of a commit, each with file, line and object', () => import('./verbs/check.ts')),
  entry('lock', 'write the digest that each image tag stands for into waybill.lock', () => import('./verbs/lock.ts')),
  entry('pack', 'pack a commit into an OCI layout on disk; no registry needed', () => import('./verbs/pack.ts')),
  entry('publish', 'pack a commit, push, sign and name it', () => import('./verbs/publish.ts')),
  entry('promote', 'point a channel at a published release', () => import('./verbs/promote.ts')),
  entry('copy', 'copy a release with all that is attached to it', () => import('./verbs/copy.ts')),
  entry('verify', 'hold a release against a TrustPolicy, as the puller does', () => import('./verbs/verify.ts')),
  entry('show', 'show what a release holds', () => import('./verbs/show.ts')),
  entry('diff', 'show what changes between two releases or commits', () => import('./verbs/diff.ts')),
  entry('install', 'print what a cluster needs for the puller', () => import('./verbs/install.ts')),
  entry('tenant', 'print a team’s namespace, service account and Roles', () => import('./verbs/tenant.ts')),
  entry('uninstall', 'remove Waybill, and leave what it delivered', () => import('./verbs/uninstall.ts')),
  entry('get', 'what runs here, since when, is it well', () => import('./verbs/get.ts')),
  entry('history', 'the records of a Delivery', () => import('./verbs/history.ts')),
  entry('adopt-drift', 'print drift as a patch to bring back to Git', () => import('./verbs/adopt-drift.ts')),
  entry('audit', 'prove that the records of a Delivery are whole', () => import('./verbs/audit.ts')),
  entry('plan', 'what would change now, before it does', () => import('./verbs/plan.ts')),
  entry('approve', 'let a plan that waits be carried out', () => import('./verbs/approve.ts')),
  entry('suspend', 'leave a Delivery alone, until it is resumed or for a time', () => import('./verbs/suspend.ts')),
  entry('resume', 'end a suspension', () => import('./verbs/resume.ts')),
  entry('rollback', 'go back to an earlier release, and hold there', () => import('./verbs/rollback.ts')),
  entry('unhold', 'lift a hold', () => import('./verbs/unhold.ts')),
  entry('puller', 'run the puller', () => import('./verbs/puller.ts')),
  entry('completion', 'print what completes waybill in your shell', () => import('./verbs/completion.ts')),
]

function entry(name: string, summary: string, load: () => Promise<{ readonly verb: Verb }>): CatalogueEntry {
  return { name, summary, load: async () => (await load()).verb }
}
