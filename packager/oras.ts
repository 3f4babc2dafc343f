import { WaybillError } from '../contract/errors.ts'
import type { RegistryWriter } from './registry-writer.ts'

export type OrasOptions = {
  /** The program: `WAYBILL_ORAS`, else `oras` on the PATH. */
  readonly program?: string
  /** The child's whole environment. */
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly plainHttp?: boolean
  readonly caFile?: string
  readonly registryConfig?: string
}

/** Every write to a registry, through the `oras` command (≥ 1.3, checked once, before the first write). */
export function createOras(_options: OrasOptions = {}): RegistryWriter {
  throw new WaybillError('INTERNAL', 'not built yet')
}
