import { shortDigest } from '../../contract/digest.ts'
import { type Locked, lock } from '../../packager/lock/lock.ts'
import { LOCK_FILE } from '../../packager/lock/lock-file.ts'
import type { LockChange } from '../../packager/lock/plan-lock.ts'
import { commitOptions } from '../commit.ts'
import { collect, commitFlags, examples, quietFlag, registryFlags } from '../flags.ts'
import { counted } from '../output.ts'
import { openReader } from '../registry.ts'
import type { Context, Verb } from '../verb.ts'

export const verb: Verb = {
  define: (command) => {
    commitFlags(command)
      .option('--update <name>', 'resolve this image anew, one tag or all of them; may be given again', collect)
      .option('--update-all', 'resolve every image anew')
      .option('--check', 'write nothing; exit 3 where the file would change')
    quietFlag(registryFlags(command))
    examples(
      command,
      'waybill lock && git add waybill.lock && git commit -m "Lock images"',
      'waybill lock --update registry.example.com/acme/api',
      'waybill lock --rev "$(git stash create)"   # with changes that are not committed yet',
    )
  },
  run: async (_args, flags, context) => {
    await using opened = await openReader(flags, context)
    const locked = await lock({
      ...commitOptions(flags, context),
      onStep: context.step,
      update: { names: flags.list('update'), all: flags.on('updateAll') },
      checkOnly: flags.on('check'),
      registry: opened.reader,
    })
    noteUncommitted(locked, context)
    return { data: locked, text: textOf(locked) }
  },
}

/** A person who changed a tag and did not commit it would wonder. */
function noteUncommitted({ uncommitted }: Locked, { progress }: Context): void {
  if (uncommitted.length === 0) return
  const some = `${uncommitted.slice(0, 5).join(', ')}${uncommitted.length > 5 ? ', …' : ''}`
  progress(`note: only the commit was looked at; not committed: ${some}`)
}

function textOf({ images, changed }: Locked): string {
  const there = images.filter(({ change }) => change !== 'removed')
  if (images.length === 0) return 'every image has its digest in the manifests; nothing to lock'
  if (!changed) return `${LOCK_FILE}: ${counted(there.length, 'image')}, as it was`
  const lines = images.filter(({ change }) => change !== 'kept').map(lineOf)
  return [`${LOCK_FILE}: ${counted(there.length, 'image')}; commit it`, ...lines].join('\n')
}

function lineOf({ name, change, digest, previous }: LockChange): string {
  if (change === 'removed') return `  removed ${name}: nothing uses it any more`
  const from = previous === undefined ? '' : `${shortDigest(previous)} → `
  return `  ${change} ${name} ${from}${digest === undefined ? '' : shortDigest(digest)}`
}
