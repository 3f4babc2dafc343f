import { objectKey } from '../../contract/artifact/objects.ts'
import type { Change } from '../kinds.ts'
import { type Inventory, isStored } from './inventory.ts'
import type { Plan } from './plan.ts'

/**
 * The plan without what would undo what others did, of these objects or of all: that is left as it is found, in the cluster and in the
 * inventory; what is gone is not waited for. Pure.
 */
export function withoutUndoing(plan: Plan, inventory: Inventory, only?: ReadonlySet<string>): Plan {
  const leaves = ({ object }: Change) => only === undefined || only.has(object)
  const undone = plan.undoing.filter(leaves)
  const left = new Set(undone.map(({ object }) => object))
  const gone = new Set(undone.filter(({ action }) => action === 'create').map(({ object }) => object))
  const kept = new Set(plan.desired.filter(({ name }) => left.has(name)).map(({ key }) => key))
  const ahead = plan.ahead.map((entry) => {
    const key = objectKey(entry)
    return (kept.has(key) ? inventory.entries.get(key) : undefined) ?? entry
  })
  const changes = plan.changes.filter(({ object }) => !left.has(object))
  const isNoop =
    plan.refusals.length === 0 && plan.failures.length === 0 && changes.length === 0 && isStored(inventory, ahead)
  return {
    ...plan,
    groups: plan.groups.map((group) => ({
      changes: group.changes.filter(({ desired }) => !left.has(desired.name)),
      members: group.members.filter(({ name }) => !gone.has(name)),
    })),
    changes,
    undoing: plan.undoing.filter((change) => !leaves(change)),
    drifted: plan.drifted.filter((change) => !leaves(change)),
    broken: [],
    desired: plan.desired.filter(({ name }) => !gone.has(name)),
    ahead,
    isNoop,
  }
}
