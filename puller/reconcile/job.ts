import type { Digest } from '../../contract/digest.ts'
import type { ShownPlan } from '../control/approval.ts'
import type { Change, Delivery, RecordFacts } from '../kinds.ts'
import type { Memory } from '../loop/memory.ts'
import type { Turn } from '../loop/queue.ts'
import type { Said } from '../message.ts'
import type { Plan } from '../plan/plan.ts'
import type { Account } from '../plan/plan-context.ts'
import type { Refusal } from '../plan/refusal.ts'
import type { Ledger } from '../records/ledger.ts'
import type { Site } from '../site.ts'
import type { Fetched } from '../source/fetch.ts'

/** One verified and fetched environment that the cluster is to be converged onto. */
export type Job = {
  readonly site: Site
  readonly delivery: Delivery
  readonly account: Account
  readonly ledger: Ledger
  readonly turn: Turn
  readonly fetched: Fetched
  /** `asked`: what the Delivery asks for. `current`: what ran before, kept in shape while what is asked for cannot be had. */
  readonly role: 'asked' | 'current'
  readonly trigger: RecordFacts['trigger']
  /** Resolves when something newer, verified, has come in the place of this; never rejects. */
  readonly newer: (signal: AbortSignal) => Promise<string | undefined>
  /** What stands between the plan and the first write; absent: nothing. */
  readonly gate?: Gate
  /** Tells people that it is under way. */
  readonly progress: (reason: string, message: string, progress?: Progress) => Promise<void>
  readonly memory?: Memory
}

/** How many of the objects of a release are healthy, and which are waited for. */
export type Progress = { readonly ready: number; readonly total: number; readonly waiting: readonly string[] }

/** Asked when a plan is free of refusals, before anything is written or recorded. `look`: only health is looked at. */
export type Gate = (plan: Plan) => Promise<'go' | 'look' | Waiting>

/** Nothing is written: the Delivery says that a person, or a time, comes first. */
export type Waiting = {
  readonly kind: 'waiting'
  readonly reason: 'AwaitingApproval' | 'OutsideWindow' | 'Observed' | 'DependencyNotReady'
  readonly message: string
  /** Only an edit of a Delivery ends it. */
  readonly forever?: true
  /** The plan that it is about, where one was made. */
  readonly shown?: ShownPlan
  /** When it may be over by itself, in milliseconds since 1970. */
  readonly lookAtMs?: number
  /** In `observe`: how the cluster differs. */
  readonly differs?: Plan
}

export type Result =
  | Waiting
  /** Converged and healthy; `corrected` holds what had drifted, when something had; `left`, what differs and is left so. */
  | { readonly kind: 'healthy'; readonly corrected: Plan | undefined; readonly left?: readonly Change[] }
  /** `confirm`: what a person may confirm, to have it done. */
  | {
      readonly kind: 'refused'
      readonly said: Said
      readonly objects: readonly Refusal[]
      readonly confirm?: Digest
    }
  /** Not as it should be; it is tried again. `held`: what comes after it is kept back meanwhile. */
  | { readonly kind: 'failed'; readonly said: Said; readonly held?: true; readonly left?: readonly Change[] }
  /** A newer release or wish is there: look again at once. */
  | { readonly kind: 'interrupted' }
