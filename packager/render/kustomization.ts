import { isJsonObject, type Json, type JsonObject } from '../../contract/canonical-json.ts'

/** What a kustomization names outside itself. */
export type KustomizationReference = {
  readonly ref: string
  /** `base`: a folder, or a file of objects. `config`: YAML that is no object by itself, or a folder. `data`: any file. */
  readonly use: 'base' | 'config' | 'data'
  readonly field: string
}

/** Every file and folder that a kustomization refers to (kustomize v5.8.2, api/types/kustomization.go). */
export function referencesOf(kustomization: JsonObject): readonly KustomizationReference[] {
  const references: KustomizationReference[] = []
  const add = (use: KustomizationReference['use'], field: string, value: Json | undefined) => {
    if (typeof value === 'string' && value !== '' && !value.includes('\n')) references.push({ ref: value, use, field })
  }
  for (const field of ['resources', 'bases', 'components'])
    for (const ref of listOf(kustomization[field])) add('base', field, ref)
  for (const field of ['generators', 'transformers', 'validators', 'crds', 'configurations', 'patchesStrategicMerge'])
    for (const ref of listOf(kustomization[field])) add('config', field, ref)
  for (const field of ['patches', 'patchesJson6902', 'replacements'])
    for (const entry of listOf(kustomization[field]))
      if (isJsonObject(entry)) add('config', `${field}.path`, entry.path)
  if (isJsonObject(kustomization.openapi)) add('config', 'openapi.path', kustomization.openapi.path)
  for (const field of ['configMapGenerator', 'secretGenerator'])
    for (const entry of listOf(kustomization[field])) if (isJsonObject(entry)) addGenerated(field, entry, add)
  return references
}

function addGenerated(
  field: string,
  entry: JsonObject,
  add: (use: 'data', field: string, value: Json | undefined) => void,
): void {
  for (const file of listOf(entry.files))
    add('data', `${field}.files`, typeof file === 'string' ? file.slice(file.indexOf('=') + 1) : undefined)
  for (const file of listOf(entry.envs)) add('data', `${field}.envs`, file)
  add('data', `${field}.env`, entry.env)
}

/** Fields that ask kustomize to run another program. */
export function helmFieldsOf(kustomization: JsonObject): readonly string[] {
  return ['helmCharts', 'helmChartInflationGenerator', 'helmGlobals'].filter(
    (field) => kustomization[field] !== undefined,
  )
}

/** Paths that a builtin plug-in's configuration names, wherever they stand; kustomize would fetch them if they were addresses. */
export function remoteInConfig(value: Json | undefined): readonly string[] {
  if (Array.isArray(value)) return value.flatMap((item: Json) => remoteInConfig(item))
  if (!isJsonObject(value)) return []
  return Object.entries(value).flatMap(([key, field]) => {
    const own = ['path', 'paths', 'files', 'envs', 'env', 'url', 'repo'].includes(key) ? listOf(field) : []
    return [...own.filter((ref) => typeof ref === 'string' && hasScheme(ref)).map(String), ...remoteInConfig(field)]
  })
}

export function hasScheme(ref: string): boolean {
  return /^(?:[^=]*=)?[a-z][a-z0-9+.-]*:\/\//i.test(ref) || /^(?:git::|git@)/.test(ref)
}

/** What kustomize takes for a repository when nothing of that name is there. */
export function looksRemote(ref: string): boolean {
  return (
    hasScheme(ref) || /[?&](?:ref|version)=/.test(ref) || /^[^/.]+(?:\.[^/.]+)+\//.test(ref) || ref.includes('.git')
  )
}

function listOf(value: Json | undefined): readonly Json[] {
  if (Array.isArray(value)) return value
  return value === undefined || value === null ? [] : [value]
}
