import { tmpdir } from 'node:os'
import type { CommitOptions } from '../packager/pack-commit.ts'
import { type Flags, pathFrom } from './flags.ts'
import type { Context } from './verb.ts'

/** The commit that --repo and --rev name; `rev` replaces the latter. */
export function commitOptions(flags: Flags, { cwd, env }: Context, rev?: string): CommitOptions {
  const wanted = rev ?? flags.text('rev')
  return {
    repo: pathFrom(cwd, flags.text('repo') ?? '.'),
    env,
    tempDir: env.TMPDIR ?? tmpdir(),
    ...(wanted === undefined ? {} : { rev: wanted }),
  }
}
