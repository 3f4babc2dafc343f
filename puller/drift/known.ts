import type { KubeObject } from '../../contract/artifact/objects.ts'
import type { JsonObject } from '../../contract/canonical-json.ts'
import type { DesiredObject } from '../plan/desired.ts'

/** What looks, writes and watches have left of the objects of one Delivery. */
export interface Known {
  /** The object where it is known to be as it is wanted, so that nobody has to be asked: apiVersion, kind, and of its metadata name, namespace and uid. */
  converged(desired: DesiredObject): KubeObject | undefined
  /** It was compared with what our apply would make of it, and is as it is wanted. */
  compared(desired: DesiredObject, object: JsonObject): void
  /** Our write was answered with this. */
  written(desired: DesiredObject, object: JsonObject): void
  /** It was compared, as `object`, and differs; `manager` took it. It is put back, or left so. */
  differs(desired: DesiredObject, manager: string | undefined, object: JsonObject): void
}
