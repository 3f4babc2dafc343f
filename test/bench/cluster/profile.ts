import type { Asked } from './audit-trail.ts'

/** Where requests go: how many of each verb and resource, as whom, and the time that the server spent on them. */
export function profileOf(asked: readonly Asked[], parts: number): string {
  const groups = new Map<string, { count: number; ms: number; refused: number }>()
  for (const one of asked) {
    const { verb, resource, subresource, as, isDryRun, status, startedMs, endedMs } = one
    const what = `${as === undefined ? 'puller ' : 'account'} ${isDryRun ? `${verb} (dry run)` : verb} ${resource}${subresource === undefined ? '' : `/${subresource}`}`
    const found = groups.get(what) ?? { count: 0, ms: 0, refused: 0 }
    found.count += 1
    found.ms += endedMs - startedMs
    if (status >= 400) found.refused += 1
    groups.set(what, found)
  }
  const rows = [...groups].sort(([, a], [, b]) => b.count - a.count)
  const lines = rows.map(([what, { count, ms, refused }]) =>
    [
      count.toString().padStart(8),
      (count / parts).toFixed(2).padStart(8),
      (ms / count).toFixed(1).padStart(8),
      ` ${what}${refused === 0 ? '' : `, ${refused} of them refused`}`,
    ].join(' '),
  )
  const each = (asked.length / parts).toFixed(2)
  return [`   count     each       ms  ${asked.length} requests, ${each} each of ${parts}`, ...lines].join('\n')
}
