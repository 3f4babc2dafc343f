import { isJsonObject } from '../../contract/canonical-json.ts'
import type { Rendering } from '../package-file.ts'
import { isEnvironmentFolder, isSharedFolder, labelOf, lastOf, parentOf } from './environment-names.ts'
import { type Files, isUnder, ONLY_ENVIRONMENT, ordered, type Source } from './source.ts'

/** What has apiVersion and kind, and is configuration of a tool. */
const TOOLS =
  /^(?:skaffold|kind\.x-k8s\.io|k3d\.io|ctlptl\.dev|kubeadm\.k8s\.io|backstage\.io|kustomize\.config\.k8s\.io)\//
const MANIFEST = /\.(?:ya?ml|json)$/
/** In any document of a file in YAML. */
const DELIVERY = /^apiVersion: *["']?waybill\.dev\/\S+\nkind: *["']?Delivery["']? *$/m

/** Folders of plain manifests: one source for environments that stand side by side, one for each other folder. */
export function findPlain(files: Files): readonly Source[] {
  const isPlatform = [...files].some(([path, bytes]) => MANIFEST.test(path) && DELIVERY.test(bytes.toString('utf8')))
  const manifests = new Map([...files].filter((file) => isManifest(file, { isPlatform })))
  const folders = [...new Set([...manifests.keys()].map((path) => parentOf(path) || '.'))]
  const named = outermost(folders.filter(isEnvironmentFolder))
  const groups = Map.groupBy(named, (path) => parentOf(path) || '.')
  const isShared = (path: string) => isSharedFolder(path) && groups.has(parentOf(path) || '.')
  const pathsOf = (folder: string) => pathsIn(folder, files, manifests, named)
  const grouped = [...groups].map(([parent, paths]): Source => {
    const beside = [...manifests.keys()].filter((path) => (parentOf(path) || '.') === parent)
    const common = [
      ...beside,
      ...folders.filter((path) => isShared(path) && (parentOf(path) || '.') === parent).flatMap(pathsOf),
    ]
    const environments = paths.map((path) => {
      const rendering: Rendering = { kind: 'manifests', paths: [...common, ...pathsOf(path)] }
      return [labelOf(lastOf(path)), rendering] as const
    })
    return { kind: 'manifests', path: parent, environments: ordered(environments) }
  })
  const others = folders.filter((path) => !groups.has(path) && !isShared(path) && !isUnder(`${path}/`, named))
  const alone = outermost(others).map((path): Source => {
    const rendering: Rendering = { kind: 'manifests', paths: pathsOf(path) }
    return { kind: 'manifests', path, environments: { [ONLY_ENVIRONMENT]: rendering } }
  })
  return [...grouped, ...alone]
}

/** A TrustPolicy in a team's repository is for an admin to apply; where Deliveries are delivered, so is whom they trust. */
function isManifest(
  [path, bytes]: readonly [string, Buffer],
  { isPlatform }: { readonly isPlatform: boolean },
): boolean {
  if (!MANIFEST.test(path)) return false
  const text = bytes.toString('utf8')
  const { apiVersion, kind } = path.endsWith('.json') ? typeInJson(text) : typeInYaml(text)
  if (apiVersion === undefined || kind === undefined || TOOLS.test(apiVersion)) return false
  return !(apiVersion.startsWith('waybill.dev/') && (kind === 'Package' || (kind === 'TrustPolicy' && !isPlatform)))
}

type TypeFields = { readonly apiVersion?: string | undefined; readonly kind?: string | undefined }

/** By its text: a file that cannot be read as YAML is a manifest all the same, and `check` says what is wrong with it. */
function typeInYaml(text: string): TypeFields {
  return {
    apiVersion: /^["']?apiVersion["']?: *["']?([^\s"',]+)/m.exec(text)?.[1],
    kind: /^["']?kind["']?: *["']?([A-Z]\w*)/m.exec(text)?.[1],
  }
}

function typeInJson(text: string): TypeFields {
  try {
    const value: unknown = JSON.parse(text)
    if (!isJsonObject(value)) return {}
    const { apiVersion, kind } = value
    return typeof apiVersion === 'string' && typeof kind === 'string' ? { apiVersion, kind } : {}
  } catch {
    return {}
  }
}

/** Those that are in no other one; the root holds nothing but its own files. */
function outermost(folders: readonly string[]): readonly string[] {
  return folders.filter((folder) =>
    folders.every((other) => other === folder || other === '.' || !isUnder(folder, [other])),
  )
}

/** The folder itself where all its YAML and JSON are manifests, and no environment of its own; else the manifests. */
function pathsIn(folder: string, files: Files, manifests: Files, environments: readonly string[]): readonly string[] {
  const inner = environments.filter((path) => path !== folder)
  const isOwn = (path: string) =>
    (folder === '.' ? !path.includes('/') : isUnder(path, [folder])) && !isUnder(path, inner)
  const under = [...files.keys()].filter((path) => MANIFEST.test(path) && isUnder(path, [folder]))
  const own = [...manifests.keys()].filter(isOwn)
  return folder !== '.' && own.length === under.length ? [folder] : own
}
