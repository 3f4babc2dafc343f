import type { KubeObject } from '../../contract/artifact/objects.ts'

/** How one object stands. `message` in our own words: conditions' types and reasons, counts; never their messages. */
export type ObjectHealth =
  | { readonly state: 'healthy' }
  | { readonly state: 'waiting'; readonly message: string }
  | { readonly state: 'failed'; readonly message: string }

export type HealthRule = (object: KubeObject) => ObjectHealth

export const HEALTHY: ObjectHealth = { state: 'healthy' }
export const waiting = (message: string): ObjectHealth => ({ state: 'waiting', message })
export const failed = (message: string): ObjectHealth => ({ state: 'failed', message })
