import { hash } from 'node:crypto'
import type { KubeObject } from '../../contract/artifact/objects.ts'
import type { JsonObject } from '../../contract/canonical-json.ts'
import type { Clock } from '../clock.ts'
import { objectUrl } from '../cluster/resources.ts'
import { versionOf } from '../cluster/version.ts'
import type { LookOn } from '../health/onlooker.ts'
import type { DesiredObject } from '../plan/desired.ts'
import type { Account } from '../plan/plan-context.ts'
import { glassReason } from './break-glass.ts'
import { Contest, type Contested } from './contest.ts'
import type { Group } from './group.ts'
import type { Hub, Place, Watcher } from './hub.ts'
import { type Judgement, judge } from './judge.ts'
import type { Known } from './known.ts'
import type { Blindness } from './metadata-watch.ts'
import { type Print, printOf } from './print.ts'

export type Wake = {
  /** Something drifted. */
  drifted(): void
  /** Something changed that health may rest on. */
  stirred(): void
}

/** `bytes`: a hash of what is wanted, as it was when this was found right. */
type Baseline = { readonly bytes: string; readonly print: Print }

/** One Delivery's baselines against what its watches show. Between `begin` and `end` of a look nothing wakes it. */
export class Tracker implements Known, Watcher {
  readonly applySet: string
  readonly #hub: Hub
  readonly #clock: Clock
  readonly #wake: Wake
  readonly #isGuarded: boolean
  readonly #contest = new Contest()
  readonly #baselines = new Map<string, Baseline>()
  readonly #managers = new Map<string, string | undefined>()
  /** What differed when it was last compared, in which version, or was not there: what changes after that may end it. */
  readonly #differing = new Map<string, number | 'gone'>()
  /** What is wanted now, as a hash, by key. */
  #wanted = new Map<string, string>()
  #groups = new Map<string, Group>()
  #looking = 0
  #isDropped = false
  #turned = false
  /** In which version health was last looked at, and good. */
  readonly #well = new Map<string, number>()
  /** Something changed since health was last looked at; what changed since this look began. */
  #stirred = false
  #stirredNow = new Set<string>()
  /** Changed during the look, and to be judged after it. */
  #noticed = new Set<string>()
  #endWait: (() => void) | undefined

  /** `guard`: an object whose glass is broken is never as it is wanted. */
  constructor(
    hub: Hub,
    applySet: string,
    clock: Clock,
    wake: Wake,
    { guard = false }: { readonly guard?: boolean } = {},
  ) {
    this.#hub = hub
    this.applySet = applySet
    this.#clock = clock
    this.#wake = wake
    this.#isGuarded = guard
  }

  /** These are wanted, before what `spec.ignore` leaves to others is taken out of them. */
  want(desired: readonly DesiredObject[]): void {
    this.#wanted = new Map(desired.map((one) => [one.key, bytesOf(one)]))
  }

  converged({ key, object }: DesiredObject): KubeObject | undefined {
    const baseline = this.#baselines.get(key)
    if (baseline === undefined || baseline.bytes !== this.#wanted.get(key)) return undefined
    const found = this.judge(key)
    const isLetBe = found === 'drifted' && this.#contest.isContested(key, this.#clock.monotonicMs())
    if (found !== 'converged' && found !== 'pending' && !isLetBe) return undefined
    if (found === 'converged') this.#differing.delete(key)
    const { apiVersion, kind, metadata } = object
    const { name, namespace } = metadata
    const { uid } = baseline.print
    return { apiVersion, kind, metadata: { name, ...(namespace === undefined ? {} : { namespace }), uid } }
  }

  compared(desired: DesiredObject, object: JsonObject): void {
    const { key, id } = desired
    this.#differing.delete(key)
    const found = printOf(id, object)
    const isBroken = this.#isGuarded && glassReason(object) !== undefined
    const print = found !== undefined && isBroken ? { ...found, glass: '' } : found
    const bytes = this.#wanted.get(key)
    if (print === undefined || bytes === undefined) this.#baselines.delete(key)
    else this.#baselines.set(key, { bytes, print })
  }

  written(desired: DesiredObject, object: JsonObject): void {
    const { key } = desired
    const before = this.#baselines.get(key)
    this.compared(desired, object)
    if (before !== undefined && before.bytes === this.#wanted.get(key))
      this.#contest.corrected(key, this.#managers.get(key), this.#clock.monotonicMs())
    this.#managers.delete(key)
  }

  differs({ key }: DesiredObject, manager: string | undefined, object: JsonObject): void {
    this.#managers.set(key, manager)
    this.#differing.set(key, versionOf(object))
  }

  /** It was looked for, and is gone. */
  missing({ key }: DesiredObject): void {
    this.#differing.set(key, 'gone')
  }

  /** It differed when it was last looked at, and is in the same version, or as gone, as then. */
  isStill(key: string): boolean {
    const seen = this.#differing.get(key)
    const group = this.#groups.get(prefixOf(key))
    if (seen === undefined || group?.state !== 'listed') return false
    const now = group.print(key)
    return seen === 'gone' ? now === undefined : now?.version === seen
  }

  /** What is left alone because another manager takes it again and again. */
  contested(): readonly Contested[] {
    const nowMs = this.#clock.monotonicMs()
    this.#contest.tidy(nowMs)
    return this.#contest.contested(nowMs)
  }

  judge(key: string): Judgement {
    const group = this.#groups.get(prefixOf(key))
    return judge(this.#baselines.get(key)?.print, group, group?.print(key))
  }

  /** A look begins. */
  begin(): void {
    this.#looking += 1
    this.#stirredNow = new Set()
  }

  /** Health was looked at during the look and is good, of these in these versions: only what changed since its beginning may have changed it. */
  calmed(seen: ReadonlyMap<string, number>): void {
    for (const [key, version] of seen) this.#well.set(key, version)
    this.#stirred = [...this.#stirredNow].some((key) => !this.#isKnownWell(key))
  }

  /** A look is over: follows what it wanted as the account, and wakes where something drifted meanwhile. */
  end(followed?: { readonly account: Account; readonly desired: readonly DesiredObject[] }): void {
    if (followed !== undefined && !this.#isDropped) this.#follow(followed.account, followed.desired)
    this.#looking -= 1
    if (this.#looking > 0) return
    const hasTurned = this.#turned
    const keys = hasTurned ? this.#known() : [...this.#noticed]
    this.#noticed = new Set()
    this.#turned = false
    this.#judgeAll(keys)
    if (hasTurned) this.#stirLater()
    // What changed before it began is why it was made, and no reason for another one.
    if (this.#stirred && this.#stirredNow.size > 0) this.#wake.stirred()
  }

  changed(key: string, isQuiet: boolean): void {
    // Anybody can put our label on an object of his own.
    if (!this.#wanted.has(key) && !this.#baselines.has(key) && !this.#differing.has(key)) return
    if (isQuiet ? !this.#isKnownWell(key) : this.#isLater(key)) this.#stir(key)
    if (isQuiet) return
    if (this.#looking > 0) {
      this.#noticed.add(key)
      if (this.#endWait !== undefined && this.#isNews([key])) this.#endWait()
    } else this.#judgeAll([key])
  }

  /** A look waits from now on, until what is returned is called: what drifts, or did since the look began, ends the wait, for health may never come by itself. */
  whileWaiting(endWait: () => void): () => void {
    this.#endWait = endWait
    if (this.#isNews([...this.#noticed])) endWait()
    return () => {
      this.#endWait = undefined
    }
  }

  /** What is followed after this look may be followed from now on, and show health whole objects at first. */
  readonly lookOn: LookOn = (account, place, onlooker) =>
    !this.#isDropped && this.#hub.lookOn(this, account, place, onlooker)

  /** Nothing to one that was as it is wanted, unless a rule of the Delivery's own tells its health; what differed may have ended. */
  rewritten(key: string): void {
    if (this.#differing.has(key)) this.changed(key, false)
    else if (this.#isLater(key)) this.#stir(key)
  }

  turned(): void {
    if (this.#looking > 0) this.#turned = true
    else this.#judgeAll(this.#known())
  }

  /** Nothing has changed since health was looked at that it may rest on; every watch shows what it should. */
  isCalm(): boolean {
    return (
      !this.#stirred && this.#groups.size > 0 && [...this.#groups.values()].every(({ state }) => state === 'listed')
    )
  }

  /** What no watch shows: `apps/Deployment/shop`, and why; sorted. */
  blind(): readonly { readonly place: string; readonly why: Blindness }[] {
    return [...this.#groups]
      .flatMap(([place, { state }]) => (state === 'listed' || state === 'starting' ? [] : [{ place, why: state }]))
      .sort((a, b) => (a.place < b.place ? -1 : 1))
  }

  /** Nothing is known any more: the next look compares everything. */
  forget(): void {
    this.#baselines.clear()
    this.#differing.clear()
    this.#wanted.clear()
    this.#noticed.clear()
    this.#well.clear()
  }

  /** The Delivery is gone: a look that is still on its way follows nothing. */
  drop(): void {
    this.#isDropped = true
    this.#hub.drop(this)
    this.forget()
    this.#groups.clear()
  }

  #follow(account: Account, desired: readonly DesiredObject[]): void {
    const places = new Map<string, Place>()
    const keys = new Set<string>()
    for (const { key, resource, id } of desired) {
      keys.add(key)
      if (resource !== undefined) places.set(prefixOf(key), { resource, namespace: id.namespace })
    }
    for (const key of this.#known())
      if (!keys.has(key)) {
        this.#baselines.delete(key)
        this.#differing.delete(key)
        this.#well.delete(key)
      }
    const groups = this.#hub.follow(this, account, [...places.values()])
    const before = this.#groups
    this.#groups = new Map(
      [...places.keys()].flatMap((prefix, i) => {
        const group = groups[i]
        return group === undefined ? [] : [[prefix, group] as const]
      }),
    )
    // What a watch that ran already has shown was not told to us.
    if ([...this.#groups].some(([prefix, group]) => before.get(prefix) !== group)) this.#turned = true
  }

  #judgeAll(keys: readonly string[]): void {
    if (this.#isNews(keys)) this.#wake.drifted()
  }

  #isNews(keys: readonly string[]): boolean {
    const nowMs = this.#clock.monotonicMs()
    const hasChanged = (key: string) => this.judge(key) === 'drifted' || this.#hasMoved(key)
    return keys.some((key) => hasChanged(key) && !this.#contest.isContested(key, nowMs))
  }

  #stir(key: string): void {
    this.#stirred = true
    this.#stirredNow.add(key)
    if (this.#looking === 0) this.#wake.stirred()
  }

  /** What a watch that ran already has shown was not told to us. */
  #stirLater(): void {
    for (const key of this.#well.keys()) if (this.#isLater(key)) this.#stir(key)
  }

  /** It is in a later version than health was good of. */
  #isLater(key: string): boolean {
    const seen = this.#well.get(key)
    const now = this.#groups.get(prefixOf(key))?.print(key)
    return seen !== undefined && now !== undefined && now.version > seen
  }

  /** It is in a version that health was good of. */
  #isKnownWell(key: string): boolean {
    return this.#well.has(key) && !this.#isLater(key)
  }

  #known(): readonly string[] {
    return [...new Set([...this.#baselines.keys(), ...this.#differing.keys()])]
  }

  /** Of what differed: it changed since then. It is gone, there again, or in a later version. */
  #hasMoved(key: string): boolean {
    const seen = this.#differing.get(key)
    const group = this.#groups.get(prefixOf(key))
    if (seen === undefined || group?.state !== 'listed') return false
    const now = group.print(key)
    if (seen === 'gone') return now !== undefined && now.uid !== this.#baselines.get(key)?.print.uid
    return now === undefined ? group.version > seen : now.version > seen
  }
}

function bytesOf({ resource, id, object }: DesiredObject): string {
  const path = resource === undefined ? '' : objectUrl(resource, id)
  return hash('sha1', `${path}\n${JSON.stringify(object)}`, 'base64')
}

/** The part of an `objectKey` that objects of one kind in one namespace share. */
function prefixOf(key: string): string {
  return key.slice(0, key.lastIndexOf('/'))
}
