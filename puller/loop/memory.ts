import type { KubeObject } from '../../contract/artifact/objects.ts'
import type { JsonObject } from '../../contract/canonical-json.ts'
import type { ErrorCode } from '../../contract/errors.ts'
import { type Clock, durationMs, withJitter } from '../clock.ts'
import type { Blindness } from '../drift/metadata-watch.ts'
import type { Tracker } from '../drift/tracker.ts'
import type { Health } from '../health/wait.ts'
import type { Delivery, DeliveryStatus } from '../kinds.ts'
import type { Said } from '../message.ts'
import type { PolicySet } from '../observe.ts'
import type { DesiredObject, ResourceMap } from '../plan/desired.ts'
import type { Looked, Recall } from '../plan/gather.ts'
import type { Inventory } from '../plan/inventory.ts'
import type { Account } from '../plan/plan-context.ts'
import type { Waiting } from '../reconcile/job.ts'
import type { Ending } from '../reconcile/reconcile.ts'
import { Sight } from '../reconcile/sight.ts'
import type { Ledger } from '../records/ledger.ts'
import { beginRemoval, type Patience } from '../remove/patience.ts'
import type { Fetched } from '../source/fetch.ts'
import type { Resolved } from '../source/resolve.ts'
import type { PullAccess } from '../source/secrets.ts'
import type { Verified } from '../source/verify.ts'
import type { Look } from './look.ts'

/** What was read of the cluster's books for one Delivery: nobody but this puller writes it while it leads. */
export type Books = {
  /** Of the Delivery that all this was read for. */
  readonly generation: number
  readonly policies: PolicySet
  readonly account: Account
  readonly access: PullAccess
  readonly ledger: Ledger
  /** As it was last written. */
  inventory?: Inventory
  /** What the source named when it was last asked, or that it could not be asked. */
  asked?: AskedBefore
  /** Verified and fetched, by what was asked for. */
  readonly verified: Few<Verified>
  readonly fetched: Few<Fetched>
  /** Health was last found good of this tree. */
  healthy?: string
  /** What was found to wait for a person, by what it is. */
  waiting?: { readonly of: string; readonly found: Waiting }
}

export type AskedBefore =
  | { readonly kind: 'resolved'; readonly resolved: Resolved }
  | { readonly kind: 'not'; readonly said: Said; readonly retryAfterMs: number; readonly resolved?: Resolved }

/** The few newest answers: of what is asked for, and of what runs. */
export class Few<T> {
  readonly #kept = new Map<string, T>()

  get(key: string): T | undefined {
    return this.#kept.get(key)
  }

  set(key: string, value: T): void {
    this.#kept.delete(key)
    this.#kept.set(key, value)
    const [oldest] = this.#kept.keys()
    if (this.#kept.size > FEW && oldest !== undefined) this.#kept.delete(oldest)
  }
}

const FEW = 2

/**
 * What looks at one Delivery leave behind for the next. It only saves asking: everything in it was read or written by this puller, and
 * `forget` leads to a look that reads everything again.
 */
export class Memory implements Recall {
  books: Books | undefined
  /** The newest status that we wrote; undefined where nobody knows whether it was. */
  status: DeliveryStatus | undefined
  /** The same, with the version of the Delivery that it made; kept where the rest is forgotten. */
  #said: { readonly status: DeliveryStatus; readonly version: number } | undefined
  /** The API server could not be asked for the Delivery when it was last tried: the code of that, which was said. */
  unreadable: ErrorCode | undefined
  /** What a person confirmed when unmanaged objects were last looked at; undefined: they are to be. */
  unmanaged: string | undefined
  #uid = ''
  #isAsked = false
  #isRetryAsked = false
  /** A person asked for another try: what `onFailure: hold` keeps back goes out in this look. */
  isRetry = false
  #isSourceAsked = false
  /** When the source is to be asked again, in monotonic milliseconds. */
  #askAtMs = 0
  /** When everything is to be compared again; 0: now. */
  #compareAtMs = 0
  isNew = false
  /** Something went wrong, or is read again: what the account may do is not taken on trust. */
  isDoubtful = false
  readonly sight = new Sight()
  /** Absent where nothing is watched: with `once`. */
  readonly tracker: Tracker | undefined
  #prepared: { objects: readonly KubeObject[]; resources: ResourceMap; desired: readonly DesiredObject[] } | undefined

  constructor(tracker: Tracker | undefined) {
    this.tracker = tracker
  }

  /** The last look wanted these objects: as it prepared them. */
  prepared(objects: readonly KubeObject[]): readonly DesiredObject[] | undefined {
    return this.#prepared?.objects === objects ? this.#prepared.desired : undefined
  }

  /** Prepares them, unless the last look did and every kind is addressed as it was then. */
  prepare(
    objects: readonly KubeObject[],
    resources: ResourceMap,
    make: () => readonly DesiredObject[],
  ): readonly DesiredObject[] {
    const before = this.#prepared
    const same =
      before?.objects === objects &&
      before.resources.size === resources.size &&
      [...resources].every(([type, resource]) => isSame(before.resources.get(type), resource))
    if (before !== undefined && same) return before.desired
    const desired = make()
    this.#prepared = { objects, resources, desired }
    this.#left.clear()
    this.tracker?.want(desired)
    return desired
  }

  converged(desired: DesiredObject) {
    return this.tracker?.converged(desired)
  }
  compared(desired: DesiredObject, object: JsonObject): void {
    this.#left.delete(desired)
    this.tracker?.compared(desired, object)
  }
  written(desired: DesiredObject, object: JsonObject): void {
    this.#left.delete(desired)
    this.tracker?.written(desired, object)
  }
  differs(desired: DesiredObject, manager: string | undefined, object: JsonObject): void {
    this.tracker?.differs(desired, manager, object)
  }

  /** What differs and is left so. */
  readonly #left = new Map<DesiredObject, Looked>()
  #leavesDrift = false
  left(desired: DesiredObject): Looked | undefined {
    return this.tracker?.isStill(desired.key) === true ? this.#left.get(desired) : undefined
  }
  found(desired: DesiredObject, looked: Looked): void {
    if (looked.live === undefined) this.tracker?.missing(desired)
    const isLeft = this.#leavesDrift || looked.breakGlass !== undefined
    if (isLeft && (this.#left.has(desired) || this.#left.size < LEFT_MAX)) this.#left.set(desired, looked)
  }

  /** A run that is done, whether or not its Job is there. */
  readonly #done = new WeakSet<DesiredObject>()
  isDone(desired: DesiredObject): boolean {
    return this.#done.has(desired)
  }
  ran(desired: DesiredObject): void {
    this.#done.add(desired)
  }

  /** With remembered books: makes sure that the account still exists before anything is asked as it. Set for a look. */
  beforeAsking: (() => Promise<void>) | undefined

  isCompareDue(nowMs: number): boolean {
    return this.#compareAtMs > 0 && nowMs >= this.#compareAtMs
  }

  /** A look begins. True where it is to read everything again. */
  beginLook(nowMs: number): boolean {
    this.tracker?.begin()
    const isAsked = this.#isAsked
    this.#isAsked = false
    this.#isSourceAsked = false
    this.isRetry ||= this.#isRetryAsked
    this.#isRetryAsked = false
    if (isAsked || this.isCompareDue(nowMs)) this.forget()
    return !isAsked && this.#uid !== '' && this.#compareAtMs === 0
  }

  /** How a Delivery wants to be compared; the interval counts from the first look that compares. */
  comparesAs({ spec }: Delivery, clock: Clock): void {
    this.#leavesDrift = spec.drift === 'report' || spec.sync === 'observe'
    if (this.#compareAtMs === 0)
      this.#compareAtMs = clock.monotonicMs() + withJitter(durationMs(spec.compareInterval), clock)
  }

  /** Lets go of what was remembered of another Delivery, of another spec of it, or under other policies. */
  recall({ uid, generation }: Pick<Delivery, 'uid' | 'generation'>, policies: PolicySet): void {
    const { books } = this
    const isOther = this.#uid !== '' && this.#uid !== uid
    if (isOther || (books !== undefined && (books.generation !== generation || books.policies !== policies)))
      this.forget()
    if (isOther) {
      this.#removal = undefined
      this.#said = undefined
    }
    this.#uid = uid
  }

  /** Of a Delivery as it was read: the watch may not show yet what we wrote last. */
  statusOf(read: Pick<Delivery, 'status' | 'resourceVersion'>): DeliveryStatus {
    if (this.status !== undefined) return this.status
    const said = this.#said
    return said !== undefined && Number(read.resourceVersion) < said.version ? said.status : read.status
  }

  /** Written, in this version of the Delivery; undefined: it was not. */
  wroteStatus(status: DeliveryStatus, version: number | undefined): void {
    if (version !== undefined) this.#said = { status, version }
  }

  #removal: (() => Patience) | undefined
  /** How long the removal of this Delivery is still waited for; counted from the first call. */
  removal(deletedAt: string, clock: Clock): Patience {
    this.#removal ??= beginRemoval(deletedAt, clock, { isRunning: this.tracker !== undefined })
    return this.#removal()
  }

  open(
    { generation }: Pick<Delivery, 'generation'>,
    policies: PolicySet,
    ledger: Ledger,
    { account, access }: { readonly account: Account; readonly access: PullAccess },
  ): Books {
    this.isDoubtful = false
    this.books = { generation, policies, account, access, ledger, verified: new Few(), fetched: new Few() }
    return this.books
  }

  /** How the source answered when it was last asked, where it need not be asked again yet: the look is there for drift alone. */
  askedBefore(nowMs: number): AskedBefore | undefined {
    return nowMs < this.#askAtMs ? this.books?.asked : undefined
  }

  /** The inventory as it was read or written just now. */
  wrote(inventory: Inventory): void {
    if (this.books !== undefined) this.books.inventory = inventory
  }

  /** Health was found good of this tree, and nothing has changed since that it may rest on. */
  isWell(tree: string): boolean {
    return this.books?.healthy === tree && this.tracker?.isCalm() === true
  }

  /** Health was good of all that ran before, and nothing has changed since that it may rest on. */
  wasAllWell(): boolean {
    return this.books?.healthy !== undefined && this.tracker?.isCalm() === true
  }

  /** Health was looked at, and is good. */
  wasWell(tree: string, { versions }: Pick<Health, 'versions'>): void {
    if (this.books !== undefined) this.books.healthy = tree
    this.tracker?.calmed(versions)
  }

  /** What an ending leaves for the next look. After what failed the books are read again. */
  keep({ result, refusal, resolved, retryAfterMs }: Ending): void {
    const { books } = this
    this.isRetry = false
    if (books === undefined) return
    const isOutage = refusal !== undefined && /^REGISTRY_|^DIGEST_MISMATCH$/.test(refusal.code)
    const isWell = result === undefined || result.kind === 'healthy' || result.kind === 'waiting'
    if (!isWell || (refusal !== undefined && !isOutage)) this.closeBooks()
    else if (refusal !== undefined)
      books.asked = { kind: 'not', said: refusal, retryAfterMs: retryAfterMs ?? 0, ...(resolved && { resolved }) }
    else if (resolved !== undefined) books.asked = { kind: 'resolved', resolved }
  }

  /** When to look again: as said, at the next comparison, or when what is left alone is tried again; a look for drift does not put off the next question to the source. */
  plan(look: Look, nowMs: number): Look {
    const { next } = look
    // Who asked for the source while this look was on its way is answered by the next.
    if (next.kind === 'backoff' || next.kind === 'never' || this.#isSourceAsked) {
      this.#askAtMs = 0
      return look
    }
    const wasRepair = nowMs < this.#askAtMs
    if (!wasRepair || next.ms === 0) this.#askAtMs = nowMs + next.ms * (next.kind === 'after' ? SOONEST : 1)
    const others = [this.#compareAtMs, ...(this.tracker?.contested() ?? []).map(({ untilMs }) => untilMs)]
    const soonest = Math.min(...others.filter((atMs) => atMs > 0), ...(wasRepair ? [this.#askAtMs] : []))
    if (!wasRepair && soonest >= nowMs + next.ms) return look
    return { ...look, next: { kind: 'at', ms: Math.max(0, Math.min(soonest, nowMs + next.ms) - nowMs) } }
  }

  /** What is left alone because another manager takes it again and again. */
  contested(): NonNullable<Ending['contested']> {
    const names = new Map(this.#prepared?.desired.map(({ key, name }) => [key, name]))
    return (this.tracker?.contested() ?? []).map(({ key, manager }) => ({ object: names.get(key) ?? key, manager }))
  }

  /** What no watch shows and is compared at the interval, with why: `ConfigMap in shop: …`. */
  unwatched(): readonly string[] {
    return (this.tracker?.blind() ?? []).map(({ place, why }) => {
      const [group = '', kind = '', namespace = ''] = place.split('/')
      return `${kind}${group && `.${group}`}${namespace && ` in ${namespace}`}: ${BLIND[why]}`
    })
  }

  /** The look is over: what it wanted is followed from now on. */
  endLook(): void {
    const { tracker, books } = this
    if (tracker === undefined) return
    tracker.end(
      books === undefined || this.#prepared === undefined
        ? undefined
        : { account: books.account, desired: this.#prepared.desired },
    )
  }

  /** A person, or who is trusted, asks for a look: it reads and compares everything, unless one is on its way. */
  askAnew(): void {
    this.#isAsked = true
  }

  /** A person asks for another try, in the first look that comes to an end from now on. */
  askRetry(): void {
    this.#isRetryAsked = true
  }

  /** True once, for a Delivery that was made while this puller led: there is nothing to read of it. */
  takeNew(): boolean {
    const { isNew } = this
    this.isNew = false
    return isNew
  }

  /** The next look asks the source, whenever that was last done. */
  askSource(): void {
    this.#askAtMs = 0
    this.#isSourceAsked = true
  }

  /** The books are read again. What was compared stays compared. */
  closeBooks(): void {
    this.isDoubtful = true
    this.books = undefined
    this.status = undefined
  }

  /** Everything is read and compared again. */
  forget(): void {
    this.closeBooks()
    this.#prepared = undefined
    this.#left.clear()
    this.unmanaged = undefined
    this.sight.forget()
    this.#compareAtMs = 0
    this.#askAtMs = 0
    this.tracker?.forget()
  }
}

const BLIND: Readonly<Record<Blindness, string>> = {
  forbidden: 'the service account may not list and watch it',
  missing: 'the API server does not know it',
  unanswered: 'its API does not answer',
}

/** So many objects are kept, as they are and as they would be; what else differs is asked for at each look. */
const LEFT_MAX = 500

/** `after` may be a tenth sooner than it says (queue.ts). */
const SOONEST = 0.9

function isSame(a: unknown, b: unknown): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b)
}
