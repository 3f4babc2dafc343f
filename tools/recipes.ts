import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** The name of a program that tests and the demo run, as it is called on a PATH; `pause` and `shop` go into images. */
export type ToolName =
  | 'oras'
  | 'registry'
  | 'referrers'
  | 'etcd'
  | 'kube-apiserver'
  | 'kubectl'
  | 'kustomize'
  | 'helm'
  | 'kube-controller-manager'
  | 'kube-scheduler'
  | 'kwok'
  | 'cosign'
  | 'kubelet'
  | 'kube-proxy'
  | 'pause'
  | 'shop'

/** How one tool is built: a Go package of one of the modules under tools/go, which pin every version. */
export type Recipe = {
  /** Folder under tools/go. Each has a go.mod of its own, so that one tool's dependencies do not bend another's. */
  readonly module: string
  readonly package: string
  /** What `-X` sets so that the tool reports its version, from the version of the module `of` in go.mod, such as v1.2.3. */
  readonly stamps?: { readonly of: string; readonly as: (version: string) => readonly string[] }
  /** Whether a binary in KUBEBUILDER_ASSETS is taken instead. */
  readonly kubebuilder: boolean
}

const kubernetes = (name: string): Recipe => ({
  module: 'kube',
  package: `k8s.io/kubernetes/cmd/${name}`,
  stamps: {
    of: 'k8s.io/kubernetes',
    as: (version) => [
      `k8s.io/component-base/version.gitVersion=${version}`,
      `k8s.io/component-base/version.gitMajor=${version.slice(1).split('.')[0]}`,
      `k8s.io/component-base/version.gitMinor=${version.split('.')[1]}`,
    ],
  },
  kubebuilder: true,
})

const plain = (module: string, path: string): Recipe => ({ module, package: path, kubebuilder: false })

/** Every tool, in the order in which they are built: the small and often needed ones first. */
export const RECIPES: Readonly<Record<ToolName, Recipe>> = {
  oras: plain('oras', 'oras.land/oras/cmd/oras'),
  registry: plain('registry', 'github.com/distribution/distribution/v3/cmd/registry'),
  referrers: plain('referrers', '.'),
  etcd: { ...plain('etcd', 'go.etcd.io/etcd/server/v3'), kubebuilder: true },
  'kube-apiserver': kubernetes('kube-apiserver'),
  kubectl: kubernetes('kubectl'),
  kustomize: {
    ...plain('kustomize', 'sigs.k8s.io/kustomize/kustomize/v5'),
    stamps: {
      of: 'sigs.k8s.io/kustomize/kustomize/v5',
      as: (version) => [`sigs.k8s.io/kustomize/api/provenance.version=${version}`],
    },
  },
  helm: {
    ...plain('helm', 'helm.sh/helm/v4/cmd/helm'),
    stamps: { of: 'helm.sh/helm/v4', as: (version) => [`helm.sh/helm/v4/internal/version.version=${version}`] },
  },
  'kube-controller-manager': kubernetes('kube-controller-manager'),
  'kube-scheduler': kubernetes('kube-scheduler'),
  kwok: plain('kwok', 'sigs.k8s.io/kwok/cmd/kwok'),
  cosign: {
    ...plain('cosign', 'github.com/sigstore/cosign/v3/cmd/cosign'),
    stamps: {
      of: 'github.com/sigstore/cosign/v3',
      as: (version) => [`sigs.k8s.io/release-utils/version.gitVersion=${version}`],
    },
  },
  kubelet: kubernetes('kubelet'),
  'kube-proxy': kubernetes('kube-proxy'),
  pause: plain('pause', '.'),
  shop: plain('shop', '.'),
}

/** Every tool's name, in building order. */
export const TOOL_NAMES: readonly ToolName[] = parseToolNames(Object.keys(RECIPES))

/** The tools that `names` name, in building order and each once. Throws a RangeError that lists the known names. */
export function parseToolNames(names: readonly string[]): readonly ToolName[] {
  const known = Object.keys(RECIPES)
  const unknown = names.filter((name) => !known.includes(name))
  if (unknown.length > 0) throw new RangeError(`no such tool: ${unknown.join(', ')}; there are ${known.join(', ')}`)
  return known.filter((name) => names.includes(name)) as ToolName[]
}

/** The folder of a recipe's module. */
export function moduleDirectory(recipe: Recipe): string {
  return join(import.meta.dirname, 'go', recipe.module)
}

/** The linker flags of a recipe: no symbols, and the version that its go.mod requires. */
export function linkerFlags(recipe: Recipe): string {
  const { stamps } = recipe
  const set = stamps === undefined ? [] : stamps.as(requiredVersion(recipe, stamps.of)).map((stamp) => `-X ${stamp}`)
  return ['-s', '-w', ...set].join(' ')
}

function requiredVersion(recipe: Recipe, path: string): string {
  const lines = readFileSync(join(moduleDirectory(recipe), 'go.mod'), 'utf8').split('\n')
  const fields = lines.map((line) =>
    line
      .trim()
      .replace(/^require /, '')
      .split(/\s+/),
  )
  const version = fields.find(([name, version]) => name === path && version?.startsWith('v'))?.[1]
  if (version === undefined) throw new Error(`${recipe.module}/go.mod does not require ${path}`)
  return version
}
