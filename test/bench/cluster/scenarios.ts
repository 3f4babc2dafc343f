import { type Delivering, deliverObjects } from './delivering.ts'
import { type FleetOptions, fleet } from './fleet-scenario.ts'
import type { Found } from './found.ts'
import { change, drift, firstApply, idle, memory, recordFirstApply } from './objects-scenarios.ts'
import { openStand } from './stand.ts'

type OfObjects = (delivering: Delivering) => Promise<Found>

/** Of the puller, on a real control plane. Those of one number of objects share one Delivery, in this order. */
const ofObjects: Readonly<Record<number, Readonly<Record<string, OfObjects>>>> = {
  1000: { memory, idle, change, drift },
  10000: { 'memory-10000': memory, 'drift-10000': drift },
}
const fleets: Readonly<Record<string, FleetOptions>> = {
  'fleet-200': { count: 200 },
  'fleet-200-shared': { count: 200, shared: ['Deployment.apps', 'Service', 'ConfigMap'] },
  'fleet-1000': { count: 1000 },
}
const FIRST_APPLY = 'first-apply'

export const SCENARIOS: readonly string[] = [
  FIRST_APPLY,
  ...Object.values(ofObjects).flatMap((some) => Object.keys(some)),
  ...Object.keys(fleets),
]

/** Runs those of the scenarios that are wanted, one after another; `told` hears of each before it begins, and what it found. */
export async function runScenarios(
  wanted: readonly string[],
  told: { readonly begins: (name: string) => void; readonly found: (found: Found) => void },
): Promise<void> {
  for (const [objects, scenarios] of Object.entries(ofObjects)) {
    const some = Object.entries(scenarios).filter(([name]) => wanted.includes(name))
    const isFirst = Number(objects) === 1000 && wanted.includes(FIRST_APPLY)
    if (some.length === 0 && !isFirst) continue
    const stand = await openStand()
    try {
      if (isFirst) told.begins(FIRST_APPLY)
      const raw = isFirst ? await recordFirstApply(stand, Number(objects)) : undefined
      const before = await raw?.play()
      const delivering = await deliverObjects(stand, 'shop', Number(objects))
      // The machine may have been busier at one time than at another.
      if (raw !== undefined && before !== undefined)
        told.found(await firstApply(delivering, { inFlight: raw.inFlight, ms: [before, await raw.play()] }))
      for (const [name, scenario] of some) {
        told.begins(name)
        told.found(await scenario(delivering))
      }
    } finally {
      await stand.stop()
    }
  }
  for (const [name, options] of Object.entries(fleets)) {
    if (!wanted.includes(name)) continue
    told.begins(name)
    told.found(await fleet(options))
  }
}
