import { join } from 'node:path'
import { WaybillError } from '../../contract/errors.ts'
import { LIMITS } from '../../contract/limits.ts'
import type { TagResolver } from '../../contract/registry/registry.ts'
import { look, readBounded, writeAtomic } from '../disk.ts'
import { type CommitOptions, folderOf, renderUnlocked } from '../pack-commit.ts'
import { findWorkingTree, listUncommitted, type WorkingTree } from '../working-tree/git.ts'
import { LOCK_FILE, type LockedImages, readLock, writeLock } from './lock-file.ts'
import { changesOf, type LockChange, planLock, taggedImages, type Update } from './plan-lock.ts'
import { resolveImages } from './resolve-images.ts'

export type LockOptions = CommitOptions & {
  readonly update: Update
  /** Write nothing: LOCK_STALE where the file would change. */
  readonly checkOnly?: boolean
  readonly registry: TagResolver
}

export type Locked = {
  /** Absolute. */
  readonly file: string
  readonly revision: string
  /** False: the file was left as it is. */
  readonly changed: boolean
  readonly images: readonly LockChange[]
  /** Files in the working tree that the commit does not have so, the lock file aside. */
  readonly uncommitted: readonly string[]
}

/**
 * Brings waybill.lock in the working tree, for a person to commit, up to what a commit's manifests name. Entries that are there stay at
 * their digest, unless `update` says otherwise; that is what a lock is for. Registries are asked only about the others. Written as a whole or not at all.
 * @throws WaybillError as renderCommit; GIT_REPOSITORY, LOCK_INVALID, LOCK_STALE, IMAGE_UNKNOWN, REGISTRY_*, DISK_*
 */
export async function lock(options: LockOptions): Promise<Locked> {
  const tree = await findWorkingTree(options.repo, options.env)
  const { commit, packageFile, rendered } = await renderUnlocked(options)
  const name = `${folderOf(options.path)}${LOCK_FILE}`
  const file = join(tree.root, name)
  const before = await readWorkingLock(file, name)
  const plan = planLock(taggedImages(rendered, packageFile.checks.images), before, options.update)
  if (options.checkOnly === true && options.update.names.length === 0 && options.update.all !== true)
    refuseStale(name, [...plan.wanted.map((image) => `${image.name}: not locked`), ...plan.unused.map(notUsed)])
  if (plan.wanted.length > 0)
    options.onStep?.(
      `asking what ${plan.wanted.length} image ${plan.wanted.length === 1 ? 'tag stands' : 'tags stand'} for`,
    )
  const resolved = await resolveImages(plan.wanted, options.registry)
  const after = new Map([...plan.kept, ...resolved])
  const images = changesOf(before, after)
  const changed = images.some(({ change }) => change !== 'kept')
  if (options.checkOnly === true) refuseStale(name, images.flatMap(saysOf))
  else if (changed) await writeAtomic([{ path: file, bytes: Buffer.from(writeLock(after)) }])
  const uncommitted = (await uncommittedIn(tree, commit.sha, options)).filter((other) => other !== name)
  return { file, revision: commit.revision, changed, images, uncommitted }
}

/** What stands in the working tree, committed or not: it is what would be written over. */
async function readWorkingLock(file: string, name: string): Promise<LockedImages> {
  const found = await look(file)
  if (found === undefined) return new Map()
  if (found.kind === 'folder') throw new WaybillError('LOCK_INVALID', `${name} is a folder`)
  const { images, faults } = readLock(await readBounded(file, LIMITS.lockFileBytesMax))
  if (faults.length === 0) return images
  throw new WaybillError('LOCK_INVALID', `${name}: line ${faults[0]?.line}: ${faults[0]?.message}`, { faults })
}

async function uncommittedIn(tree: WorkingTree, sha: string, { env }: LockOptions): Promise<readonly string[]> {
  return listUncommitted(tree, sha, env)
}

function saysOf({ name, change, digest }: LockChange): readonly string[] {
  if (change === 'kept') return []
  if (change === 'removed') return [notUsed(name)]
  return [change === 'added' ? `${name}: not locked` : `${name}: the tag stands for ${digest} now`]
}

function notUsed(name: string): string {
  return `${name}: nothing uses it any more`
}

function refuseStale(file: string, reasons: readonly string[]): void {
  if (reasons.length === 0) return
  const faults = reasons.map((message) => ({ code: 'LOCK_STALE' as const, message, file }))
  throw new WaybillError('LOCK_STALE', `${file} would change: ${reasons[0]}`, { faults })
}
