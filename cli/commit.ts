import { tmpdir } from 'node:os'
import type { CommitOptions } from '../packager/pack-commit.ts'
import { makeTempFolder } from './disk.ts'
import { type Flags, pathFrom, pathInRepository } from './flags.ts'
import type { Context } from './verb.ts'

/** The commit that --repo and --rev name; `rev` replaces the latter. The temporary folder is gone when the process is. */
export function commitOptions(flags: Flags, { cwd, env, atEnd }: Context, rev?: string): CommitOptions {
  const wanted = rev ?? flags.text('rev')
  const path = flags.text('path')
  return {
    repo: pathFrom(cwd, flags.text('repo') ?? '.'),
    env,
    tempDir: makeTempFolder(env.TMPDIR ?? tmpdir(), atEnd),
    ...(wanted === undefined ? {} : { rev: wanted }),
    ...(path === undefined ? {} : { path: pathInRepository(path) }),
  }
}
