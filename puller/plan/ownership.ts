import type { KubeObject } from '../../contract/artifact/objects.ts'
import { isJsonObject, type Json, type JsonObject } from '../../contract/canonical-json.ts'
import { ANNOTATION, FIELD_MANAGER, type InventoryEntry, LABELS } from '../kinds.ts'
import { isClaim } from './claim.ts'
import { appliedEntry, managedEntries } from './managed-fields.ts'

/**
 * Whether a live object is the one that the inventory speaks of: the same uid; or, where a crash kept us from writing the uid down,
 * the right claim (0003-claims). Labels and managers prove nothing. Pure.
 */
export function isOurs(entry: InventoryEntry | undefined, live: KubeObject, claim: () => string): boolean {
  if (entry === undefined) return false
  if (entry.uid !== undefined) return entry.uid === live.metadata.uid
  return entry.state === 'pending' && isClaim(plain(live.metadata.annotations)[ANNOTATION.claim], claim())
}

/**
 * Whether an object that was written down to be adopted ever was: a puller may have been stopped before it was its turn. What we applied
 * carries our claim, and our entry in managedFields. Pure.
 */
export function isTakenOver(entry: InventoryEntry, live: KubeObject, claim: () => string): boolean {
  if (entry.state !== 'adopted' || appliedEntry(live, FIELD_MANAGER) !== undefined) return true
  return isClaim(plain(live.metadata.annotations)[ANNOTATION.claim], claim())
}

const OWNER_LABELS: readonly (readonly [string, string])[] = [
  ['kustomize.toolkit.fluxcd.io/name', 'Flux Kustomization'],
  ['helm.toolkit.fluxcd.io/name', 'Flux HelmRelease'],
  ['argocd.argoproj.io/instance', 'Argo CD application'],
]
const OWNER_ANNOTATIONS: readonly (readonly [string, string])[] = [
  ['meta.helm.sh/release-name', 'Helm release'],
  ['argocd.argoproj.io/tracking-id', 'Argo CD'],
  ['config.k8s.io/owning-inventory', 'inventory'],
]
const CLIENT_SIDE_APPLY = 'kubectl.kubernetes.io/last-applied-configuration'

/**
 * Who has an object, as it says itself: owner references, another ApplySet, Helm, Flux or Argo CD, those who apply it. Empty: nobody
 * that can be seen. Ours to compare with: `applySet`, the Delivery's own ApplySet id. Pure.
 */
export function ownersOf(live: KubeObject, applySet: string): readonly string[] {
  const labels = plain(live.metadata.labels)
  const annotations = plain(live.metadata.annotations)
  const references = Array.isArray(live.metadata.ownerReferences)
    ? live.metadata.ownerReferences.filter(isJsonObject)
    : []
  const parent = labels[LABELS.partOf]
  const appliers = managedEntries(live).filter(
    ({ operation, manager }) => operation === 'Apply' && manager !== FIELD_MANAGER,
  )
  return [
    ...references.map(({ kind, name }) => `${word(kind)} ${word(name)}`),
    ...(parent === undefined || parent === applySet ? [] : [`ApplySet ${word(parent)}`]),
    ...OWNER_LABELS.flatMap(([key, owner]) => (labels[key] === undefined ? [] : [`${owner} ${word(labels[key])}`])),
    ...OWNER_ANNOTATIONS.flatMap(([key, owner]) =>
      annotations[key] === undefined ? [] : [`${owner} ${word(annotations[key])}`],
    ),
    ...(labels['app.kubernetes.io/managed-by'] === 'Helm' && annotations['meta.helm.sh/release-name'] === undefined
      ? ['Helm']
      : []),
    ...(annotations[CLIENT_SIDE_APPLY] === undefined ? [] : ['kubectl apply']),
    ...[...new Set(appliers.map(({ manager }) => `field manager ${word(manager)}`))],
  ]
}

/** Managers of an object that nobody claims: who made or last changed it, for the message. */
export function managersOf(live: KubeObject): readonly string[] {
  return [...new Set(managedEntries(live).map(({ manager }) => word(manager)))].filter((manager) => manager !== '')
}

function plain(value: Json | undefined): JsonObject {
  return isJsonObject(value) ? value : {}
}

function word(value: Json | undefined): string {
  return typeof value === 'string' && /^[\w.:/@-]{1,253}$/.test(value) ? value : '(unnamed)'
}
