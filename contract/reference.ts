import { type Digest, parseDigest } from './digest.ts'
import { WaybillError } from './errors.ts'

/** A name in a registry: `host[:port]/path`, and a tag or a digest or both or neither. */
export type Reference = {
  /** `host` or `host:port`, lower case. */
  readonly registry: string
  /** The path inside the registry: `acme/shop`. */
  readonly path: string
  /** `registry/path`: what TrustPolicies and configs call the repository. */
  readonly repository: string
  readonly tag?: string
  readonly digest?: Digest
}

// distribution-spec 1.1.1, "Pulling manifests": <name> and <reference>.
const PATH = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/
const TAG = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/
const HOST = /^(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:]+\])(?::[0-9]{1,5})?$/

/** @throws WaybillError REFERENCE_INVALID. There is no default registry: a host is always named. */
export function parseReference(text: string): Reference {
  const fail = (why: string): never => {
    throw new WaybillError('REFERENCE_INVALID', `"${text.slice(0, 200)}": ${why}`)
  }
  const at = text.indexOf('@')
  const digest = at < 0 ? undefined : parseDigest(text.slice(at + 1))
  const name = at < 0 ? text : text.slice(0, at)
  const slash = name.indexOf('/')
  if (slash < 1) fail('a registry host and a path are needed')
  const registry = name.slice(0, slash)
  const rest = name.slice(slash + 1)
  const colon = rest.indexOf(':')
  const path = colon < 0 ? rest : rest.slice(0, colon)
  const tag = colon < 0 ? undefined : rest.slice(colon + 1)
  if (!HOST.test(registry) || !(registry.includes('.') || registry.includes(':') || registry === 'localhost'))
    fail(`"${registry}" is not a registry host (with a dot, a port, or localhost)`)
  if (path.length > 255 || !PATH.test(path)) fail(`"${path}" is not a repository path`)
  if (tag !== undefined && !TAG.test(tag)) fail(`"${tag}" is not a tag`)
  return {
    registry,
    path,
    repository: `${registry}/${path}`,
    ...(tag === undefined ? {} : { tag }),
    ...(digest === undefined ? {} : { digest }),
  }
}

/** A reference with neither tag nor digest. @throws WaybillError REFERENCE_INVALID */
export function parseRepository(text: string): Reference {
  const reference = parseReference(text)
  if (reference.tag !== undefined || reference.digest !== undefined)
    throw new WaybillError('REFERENCE_INVALID', `"${text}": a repository, without a tag or digest, is needed here`)
  return reference
}

export function byDigest(reference: Reference, digest: Digest): string {
  return `${reference.repository}@${digest}`
}

// Semantic Versioning 2.0.0 (items 2 and 9), without build metadata: "+" cannot stand in a tag. Numbers have at most 15 digits,
// so that every reader can compare them exactly.
const NUMBER = '(?:0|[1-9]\\d{0,14})'
const PRERELEASE = `(?:${NUMBER}|\\d*[A-Za-z-][0-9A-Za-z-]*)`
const VERSION = new RegExp(`^${NUMBER}\\.${NUMBER}\\.${NUMBER}(?:-${PRERELEASE}(?:\\.${PRERELEASE})*)?$`)
const CHANNEL = /^[a-z][a-z0-9]*(?:[._-][a-z0-9]+)*$/

export function isVersion(text: string): boolean {
  return text.length <= 128 && VERSION.test(text)
}

/** A tag that moves: lower case, not a version. */
export function isChannel(text: string): boolean {
  return text.length <= 63 && CHANNEL.test(text) && !/^v?\d/.test(text) && !text.startsWith('sha256-')
}

/** @throws WaybillError VERSION_INVALID */
export function parseVersion(text: string): string {
  if (isVersion(text)) return text
  throw new WaybillError('VERSION_INVALID', `"${text.slice(0, 100)}" is not a version`)
}

/** @throws WaybillError CHANNEL_INVALID */
export function parseChannel(text: string): string {
  if (isChannel(text)) return text
  throw new WaybillError('CHANNEL_INVALID', `"${text.slice(0, 100)}" is not a channel name`)
}
