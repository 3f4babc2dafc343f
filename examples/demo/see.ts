import { setTimeout as sleep } from 'node:timers/promises'
import { field } from '../../test/real/cluster.ts'
import type { DemoPuller } from './puller.ts'
import type { World } from './world.ts'

/** Something the story promised did not happen. */
export class NotSeen extends Error {
  override readonly name = 'NotSeen'
}

/** What a Delivery's status says. */
export type Seen = {
  readonly ready: string
  readonly reason: string
  readonly message: string
  readonly appliedDigest: string
}

/** What the story looks at; every promise of it is one of these. */
export type Eyes = {
  /** Waits until `check` holds of the Delivery, which was seen in its newest edit. */
  readonly delivery: (what: string, check: (seen: Seen) => boolean) => Promise<Seen>
  readonly until: (what: string, check: () => Promise<boolean>, last?: () => string) => Promise<void>
  /** Throws unless it holds now. */
  readonly now: (what: string, holds: boolean, otherwise: string) => void
  /** One value of an object in the cluster, by kubectl's jsonpath; '' when it is not there. */
  readonly value: (object: string, jsonpath: string) => Promise<string>
  /** The resourceVersion of every object the package could touch, one a line. Any write to any of them changes it. */
  readonly snapshot: () => Promise<string>
}

export const namespace = 'shop'
const waitMs = 90_000
const touchable = 'deployments,services,configmaps,serviceaccounts,poddisruptionbudgets,secrets,roles,rolebindings,jobs'

export function createEyes({ shell, narrator }: World, puller: DemoPuller): Eyes {
  const until: Eyes['until'] = async (what, check, last = () => '') => {
    for (const deadline = Date.now() + waitMs; !(await check()); await sleep(400)) {
      puller.check()
      if (Date.now() > deadline) throw new NotSeen(`not within ${waitMs / 1000} s: ${what}. ${last()}`)
    }
    narrator.seen(what)
  }
  const kubectl = (...args: readonly string[]) => shell.quiet('kubectl', ['-n', namespace, ...args])
  return {
    until,
    now: (what, holds, otherwise) => {
      if (!holds) throw new NotSeen(`not so: ${what}. ${otherwise}`)
      narrator.seen(what)
    },
    delivery: async (what, check) => {
      let seen: Seen | undefined
      const look = async () => {
        seen = seenIn(JSON.parse(await kubectl('get', 'delivery', 'shop', '-o', 'json')))
        return seen !== undefined && check(seen)
      }
      await until(what, look, () => `Last seen: ${JSON.stringify(seen)}`)
      if (seen === undefined) throw new NotSeen(what)
      return seen
    },
    value: async (object, jsonpath) =>
      (await kubectl('get', object, '--ignore-not-found', '-o', `jsonpath=${jsonpath}`)).trim(),
    snapshot: async () => {
      const line = '{range .items[*]}{.kind}/{.metadata.name} {.metadata.uid} {.metadata.resourceVersion}{"\\n"}{end}'
      const take = () => kubectl('get', touchable, '-o', `jsonpath=${line}`)
      let before = await take()
      for (let tries = 0; tries < 20; tries++) {
        await sleep(700)
        const after = await take()
        if (after === before) return after
        before = after
      }
      throw new NotSeen('the objects in the cluster do not come to rest')
    },
  }
}

function seenIn(delivery: unknown): Seen | undefined {
  if (field(delivery, 'status', 'observedGeneration') !== field(delivery, 'metadata', 'generation')) return undefined
  const conditions = field(delivery, 'status', 'conditions')
  const ready: unknown = Array.isArray(conditions)
    ? conditions.find((one) => field(one, 'type') === 'Ready')
    : undefined
  return {
    ready: textOf(field(ready, 'status')),
    reason: textOf(field(ready, 'reason')),
    message: textOf(field(ready, 'message')),
    appliedDigest: textOf(field(delivery, 'status', 'applied', 'digest')),
  }
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
