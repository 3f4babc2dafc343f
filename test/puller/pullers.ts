import { afterEach } from 'node:test'
import { pino } from 'pino'
import { type PullerOptions, runPuller } from '../../puller/puller.ts'
import type { Tenant, World } from './world.ts'

export type RunningPuller = { readonly end: AbortController; readonly over: Promise<unknown> }

/** Starts pullers, each of some tenants of a world, that run until the test is over. */
export function pullersOf(
  world: () => World,
): (tenants: readonly Tenant[], options?: Partial<PullerOptions>) => RunningPuller {
  const running: RunningPuller[] = []
  afterEach(async () => {
    for (const { end, over } of running.splice(0)) {
      end.abort()
      await over
    }
  })
  return (tenants, options = {}) => {
    const end = new AbortController()
    const over = runPuller({
      kubeconfig: world().kubeconfig,
      cacheDir: tenants[0]?.cacheDir ?? '',
      plainHttp: true,
      onlyNamespaces: tenants.map(({ namespace }) => namespace),
      log: pino({ level: process.env.WAYBILL_TEST_LOG ?? 'silent' }),
      signal: end.signal,
      ...options,
    })
    const puller = { end, over }
    running.push(puller)
    return puller
  }
}
