import type { ErrorCode } from '../contract/errors.ts'

/** Why one object cannot be (`Deployment.apps shop/api`): a code and our own words, never the server's. */
export type Refusal = { readonly object: string; readonly code: ErrorCode; readonly message: string }
