import { compareBytes } from '../../contract/artifact/artifact.ts'

/** Words that people name environments by, in the order in which a release passes through them. */
const WORDS = [
  'local',
  'dev',
  'develop',
  'development',
  'preview',
  'integration',
  'int',
  'test',
  'testing',
  'qa',
  'uat',
]
const LATER = [
  'stage',
  'staging',
  'preprod',
  'pre-production',
  'sandbox',
  'demo',
  'canary',
  'prod',
  'production',
  'live',
]
const ORDER = [...WORDS, ...LATER]

/** Folders whose folders are environments, whatever those are called. */
const GROUPS = new Set(['overlays', 'environments', 'envs', 'env', 'stages', 'clusters'])

/** Folders beside environments that belong to all of them. */
const SHARED = new Set(['base', 'common', 'shared', 'all'])

export function isEnvironmentWord(name: string): boolean {
  return ORDER.includes(name.toLowerCase())
}

/** True for a folder that stands for an environment: by its own name, or by that of the folder around it. */
export function isEnvironmentFolder(path: string): boolean {
  return isEnvironmentWord(lastOf(path)) || (GROUPS.has(lastOf(parentOf(path))) && !isSharedFolder(path))
}

export function isSharedFolder(path: string): boolean {
  return SHARED.has(lastOf(path))
}

/** A name as waybill.yaml takes it: `Prod_EU` → `prod-eu`. '' where nothing is left. */
export function labelOf(name: string): string {
  return name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .slice(0, 63)
    .replaceAll(/^-+|-+$/g, '')
}

/** In the order in which a release passes through them; those that nobody knows last. */
export function compareEnvironments(a: string, b: string): number {
  return rank(a) - rank(b) || compareBytes(a, b)
}

function rank(name: string): number {
  const at = ORDER.indexOf(name)
  return at < 0 ? ORDER.length : at
}

/** The folder around a path; '' at the root. */
export function parentOf(path: string): string {
  const slash = path.lastIndexOf('/')
  return slash < 0 ? '' : path.slice(0, slash)
}

export function lastOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}
