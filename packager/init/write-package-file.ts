import type { Rendering, ToolName } from '../package-file.ts'

/** What a first waybill.yaml says. */
export type PackageDraft = {
  readonly name: string
  readonly repository: string
  readonly source: string
  readonly kubernetesVersion: string
  readonly tools: Readonly<Partial<Record<ToolName, { readonly version: string; readonly found: boolean }>>>
  readonly environments: Readonly<Record<string, Rendering>>
  /** False: nothing was found, and the environments are a proposal. */
  readonly found: boolean
}

/** The text of a waybill.yaml with comments that say what to change. */
export function writePackageFile(draft: PackageDraft): string {
  return [
    '# What this repository delivers, and how. Every field: docs/FORMAT.md of Waybill, "waybill.yaml".',
    'apiVersion: waybill.dev/v1alpha1',
    'kind: Package',
    'metadata:',
    `  name: ${scalar(draft.name)}`,
    'spec:',
    '  # Where releases are published to.',
    `  repository: ${scalar(draft.repository)}`,
    '  # Where this source is at home; clones and forks say the same.',
    `  source: ${scalar(draft.source)}`,
    '  kubernetes:',
    '    # The version of your clusters.',
    `    version: ${JSON.stringify(draft.kubernetesVersion)}`,
    ...toolLines(draft),
    '  environments:',
    draft.found
      ? '    # A cluster runs one of these. The names came from folders and files: give them your own.'
      : '    # Nothing to deliver was found yet: put manifests into this folder, or name yours.',
    ...Object.entries(draft.environments).flatMap(([name, rendering]) => [
      `    ${scalar(name)}:`,
      ...renderingLines(rendering).map((line) => `      ${line}`),
    ]),
    '  checks:',
    '    # refuse: no Secret with values. allow: values may stand in Git and in the release.',
    '    secrets: refuse',
    '    # pinned: every image has its digest, in the manifests or through `waybill lock`. any: tags may move.',
    '    images: pinned',
    '',
  ].join('\n')
}

function toolLines({ tools }: PackageDraft): readonly string[] {
  const used = Object.entries(tools)
  if (used.length === 0) return []
  return [
    '  tools:',
    '    # Another version renders other bytes, so it is refused.',
    ...used.map(([name, { version, found }]) => {
      const note = found ? '' : ` # ${name} was not found on this machine: write the version that you use`
      return `    ${name}: ${JSON.stringify(version)}${note}`
    }),
  ]
}

function renderingLines(rendering: Rendering): readonly string[] {
  switch (rendering.kind) {
    case 'kustomize':
      return [`kustomize: ${scalar(rendering.path)}`]
    case 'manifests':
      return ['manifests:', ...rendering.paths.map((path) => `  - ${scalar(path)}`)]
    case 'helm':
      return [
        'helm:',
        `  chart: ${scalar(rendering.chart)}`,
        ...(rendering.values.length === 0 ? [] : ['  values:']),
        ...rendering.values.map((path) => `    - ${scalar(path)}`),
        `  release: ${scalar(rendering.release)}`,
        `  namespace: ${scalar(rendering.namespace)}`,
      ]
  }
}

/** Plain where no reader can take it for anything but text; JSON is YAML, too. */
function scalar(text: string): string {
  const isPlain = /^[a-z][\w./:-]*$/i.test(text) && !/:$/.test(text)
  return isPlain && !/^(?:y|n|yes|no|on|off|true|false|null)$/i.test(text) ? text : JSON.stringify(text)
}
