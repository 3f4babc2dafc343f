import { isJsonObject, type JsonObject } from '../../contract/canonical-json.ts'

/** A push is several requests to a registry, and the tag is the last: what follows soon is waited for. */
export const HOOK_GATHER_MS = 500
/** A Delivery is not looked at more often than this for webhooks, however many come. */
export const HOOK_EVERY_MS = 5_000

/** Whether a Delivery follows one of these repositories, which are paths without a host: who told of them may know the registry by another name. */
export function follows(delivery: JsonObject, repositories: ReadonlySet<string>): boolean {
  const spec = isJsonObject(delivery.spec) ? delivery.spec : {}
  const source = isJsonObject(spec.source) ? spec.source : {}
  const { repository } = source
  return typeof repository === 'string' && repositories.has(repository.slice(repository.indexOf('/') + 1))
}
