import type { Count } from '../counts.ts'

/** What a scenario found: figures, and where the requests went. */
export type Found = { readonly figures: readonly Count[]; readonly profile?: string }
