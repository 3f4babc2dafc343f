import { objectKey } from '../../contract/artifact/objects.ts'
import { type Inventory, isStored } from './inventory.ts'
import type { Plan } from './plan.ts'

/** The plan without what would undo what others did: that is left as it is found, in the cluster and in the inventory. Pure. */
export function withoutUndoing(plan: Plan, inventory: Inventory): Plan {
  const left = new Set(plan.undoing.map(({ object }) => object))
  const stays = (name: string) => !left.has(name)
  const stages = plan.stages.map((stage) => stage.filter(({ desired }) => stays(desired.name)))
  const kept = new Set(plan.desired.filter(({ name }) => !stays(name)).map(({ key }) => key))
  const ahead = plan.ahead.map((entry) => {
    const key = objectKey(entry)
    return (kept.has(key) ? inventory.entries.get(key) : undefined) ?? entry
  })
  const changes = plan.changes.filter(({ object }) => stays(object))
  return {
    ...plan,
    stages,
    changes,
    undoing: [],
    ahead,
    desired: plan.desired.filter(({ name }) => stays(name)),
    isNoop:
      plan.refusals.length === 0 && plan.failures.length === 0 && changes.length === 0 && isStored(inventory, ahead),
  }
}
