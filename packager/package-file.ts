import { z } from 'zod'
import { byEnvironment, packageNameSchema } from '../contract/artifact/artifact.ts'
import { type Fault, WaybillError } from '../contract/errors.ts'
import { LIMITS } from '../contract/limits.ts'
import { parseRepository } from '../contract/reference.ts'
import { lineAt, readYaml, type YamlDocument } from './yaml/yaml.ts'

/** The file's name, at the root of the repository, or of the folder that is asked for. */
export const PACKAGE_FILE = 'waybill.yaml'

/** How an environment's objects come about. */
export type Rendering =
  | { readonly kind: 'manifests'; readonly paths: readonly string[] }
  | { readonly kind: 'kustomize'; readonly path: string }
  | ({ readonly kind: 'helm' } & HelmRelease)

/** A chart of the repository, and what it is rendered with. */
export type HelmRelease = {
  readonly chart: string
  /** Files, each over the one before. */
  readonly values: readonly string[]
  readonly release: string
  readonly namespace: string
}

/** The tools that render, each pinned to a version where it is used. */
export const TOOLS = ['kustomize', 'helm'] as const
export type ToolName = (typeof TOOLS)[number]

export type Checks = { readonly secrets: 'refuse' | 'allow'; readonly images: 'pinned' | 'any' }

/** `waybill.yaml` (docs/FORMAT.md), as the rest of the packager needs it. */
export type PackageFile = {
  /** Where it stands in the repository, as all paths below: `waybill.yaml`, `packages/api/waybill.yaml`. */
  readonly file: string
  readonly name: string
  readonly repository: string
  readonly source: string
  /** '' where none is pinned. */
  readonly kubernetesVersion: string
  /** The line that pins it. */
  readonly kubernetesLine: number
  /** Files and folders of CRDs that the package does not deliver. */
  readonly schemas: readonly string[]
  /** Files and folders of admission policies that every object is judged by. */
  readonly policies: readonly string[]
  /** The line that names them. */
  readonly policiesLine: number
  /** `monitoring.coreos.com/v1`, or with a kind behind it: what charts may take the cluster to have beyond Kubernetes' own. */
  readonly apiVersions: readonly string[]
  readonly tools: Readonly<Partial<Record<ToolName, string>>>
  readonly environments: Readonly<Record<string, Rendering>>
  /** The repository that an environment declares for itself. */
  readonly repositories: Readonly<Record<string, string>>
  /** The line that names each environment. */
  readonly lines: Readonly<Record<string, number>>
  /** The line that pins each tool. */
  readonly toolLines: Readonly<Record<ToolName, number>>
  readonly checks: Checks
}

const pathSchema = z
  .string()
  .min(1)
  .max(LIMITS.pathBytesMax)
  .refine(isInside, 'a path inside the repository, such as deploy/plain, without "..", a leading "/" or "\\"')
  .transform((path) => path.replace(/^(?:\.\/)+/, '').replace(/\/+$/, ''))

const repositorySchema = z.string().refine(isRepository, 'host[:port]/path, without a tag or digest')

const sourceSchema = z
  .string()
  .min(1)
  .max(2048)
  .refine((text) => !/^[a-z][a-z0-9+.-]*:\/\/[^/@]*:[^/@]*@/i.test(text), 'an address without a password in it')

const versionText = (what: string) =>
  z.string(`${what}, in quotes`).regex(/^\d+\.\d+(?:\.\d+)?(?:-[0-9A-Za-z.-]+)?$/, `${what} such as "1.36"`)

const label = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?$/
const helmSchema = z.strictObject({
  chart: pathSchema,
  values: z.array(pathSchema).max(256).optional(),
  release: z
    .string()
    .max(53)
    .regex(/^[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?$/, 'the name of a release, such as shop'),
  namespace: z.string().max(63).regex(label, 'the name of a namespace, such as shop'),
})

const apiVersionSchema = z
  .string()
  .max(512)
  .regex(/^(?:[a-z0-9.-]+\/)?v[a-z0-9]+(?:\/[A-Za-z0-9]+)?$/, 'group/version or group/version/Kind')

const environmentSchema = z
  .strictObject({
    manifests: z.array(pathSchema).min(1).max(256).optional(),
    kustomize: pathSchema.optional(),
    helm: helmSchema.optional(),
    repository: repositorySchema.optional(),
  })
  .refine(
    ({ manifests, kustomize, helm }) => [manifests, kustomize, helm].filter((one) => one !== undefined).length === 1,
    'exactly one of manifests, kustomize and helm',
  )

const packageFileSchema = z.strictObject({
  apiVersion: z.literal('waybill.dev/v1alpha1'),
  kind: z.literal('Package'),
  metadata: z.strictObject({ name: packageNameSchema }),
  spec: z.strictObject({
    repository: repositorySchema,
    source: sourceSchema,
    kubernetes: z
      .strictObject({
        version: versionText('a version').max(32),
        apiVersions: z.array(apiVersionSchema).max(1024).optional(),
      })
      .optional(),
    schemas: z.array(pathSchema).min(1).max(256).optional(),
    policies: z.array(pathSchema).min(1).max(256).optional(),
    tools: z
      .strictObject({
        kustomize: versionText('a version of kustomize').optional(),
        helm: versionText('a version of helm').optional(),
      })
      .optional(),
    environments: byEnvironment(environmentSchema)
      .refine((all) => Object.keys(all).length > 0, 'at least one environment')
      .refine(
        (all) => Object.keys(all).length <= LIMITS.environmentsMax,
        `at most ${LIMITS.environmentsMax} environments`,
      ),
    checks: z
      .strictObject({ secrets: z.enum(['refuse', 'allow']).optional(), images: z.enum(['pinned', 'any']).optional() })
      .optional(),
  }),
})

type Parsed = z.infer<typeof packageFileSchema>

/**
 * Reads `waybill.yaml`, which stands at `file` in the repository; paths in it are relative to its folder.
 * @throws WaybillError PACKAGE_FILE_INVALID with every fault and its line
 */
export function parsePackageFile(bytes: Uint8Array, file = PACKAGE_FILE): PackageFile {
  const folder = file.slice(0, -PACKAGE_FILE.length)
  const parsed = atRoot(file, () => parseAtRoot(bytes))
  const inside = (path: string) => (path === '.' && folder !== '' ? folder.slice(0, -1) : `${folder}${path}`)
  const environments = Object.entries(parsed.environments).map(([name, one]) => [name, moved(one, inside)] as const)
  return {
    ...parsed,
    file,
    schemas: parsed.schemas.map(inside),
    policies: parsed.policies.map(inside),
    environments: Object.fromEntries(environments),
  }
}

function moved(rendering: Rendering, inside: (path: string) => string): Rendering {
  switch (rendering.kind) {
    case 'manifests':
      return { ...rendering, paths: rendering.paths.map(inside) }
    case 'kustomize':
      return { ...rendering, path: inside(rendering.path) }
    case 'helm':
      return { ...rendering, chart: inside(rendering.chart), values: rendering.values.map(inside) }
  }
}

/** Names the file as the repository has it in what `parse` finds wrong. */
function atRoot<T>(file: string, parse: () => T): T {
  try {
    return parse()
  } catch (error) {
    if (!(error instanceof WaybillError) || file === PACKAGE_FILE) throw error
    const faults = error.faults.map((fault) => ({ ...fault, file }))
    throw new WaybillError(error.code, error.message.replace(PACKAGE_FILE, file), { faults })
  }
}

function parseAtRoot(bytes: Uint8Array): PackageFile {
  if (bytes.length > LIMITS.packageFileBytesMax)
    throw new WaybillError('PACKAGE_FILE_INVALID', `${PACKAGE_FILE}: over ${LIMITS.packageFileBytesMax} bytes`)
  const { documents, faults } = readYaml(PACKAGE_FILE, bytes)
  const [document, second] = documents
  if (faults.length > 0) throw invalid(faults)
  if (document === undefined || second !== undefined)
    throw invalid([
      { code: 'PACKAGE_FILE_INVALID', file: PACKAGE_FILE, line: 1, message: 'exactly one document is needed' },
    ])
  const parsed = packageFileSchema.safeParse(document.value)
  const fieldFaults = parsed.success
    ? undeclared(parsed.data, document)
    : parsed.error.issues.flatMap((issue) => faultsOf(issue, document))
  if (!parsed.success || fieldFaults.length > 0) throw invalid(fieldFaults)
  return packageFileOf(parsed.data, document)
}

function packageFileOf({ metadata, spec }: Parsed, document: YamlDocument): PackageFile {
  const environments = Object.entries(spec.environments)
  return {
    file: PACKAGE_FILE,
    name: metadata.name,
    repository: spec.repository,
    source: spec.source,
    kubernetesVersion: spec.kubernetes?.version ?? '',
    kubernetesLine: lineAt(document, ['spec', 'kubernetes', 'version']),
    schemas: spec.schemas ?? [],
    policies: spec.policies ?? [],
    policiesLine: lineAt(document, ['spec', 'policies']),
    apiVersions: spec.kubernetes?.apiVersions ?? [],
    tools: toolsOf(spec),
    environments: Object.fromEntries(environments.map(([name, environment]) => [name, renderingOf(environment)])),
    repositories: Object.fromEntries(
      environments.flatMap(([name, { repository }]) => (repository === undefined ? [] : [[name, repository]])),
    ),
    lines: Object.fromEntries(environments.map(([name]) => [name, lineAt(document, ['spec', 'environments', name])])),
    toolLines: {
      kustomize: lineAt(document, ['spec', 'tools', 'kustomize']),
      helm: lineAt(document, ['spec', 'tools', 'helm']),
    },
    checks: { secrets: spec.checks?.secrets ?? 'refuse', images: spec.checks?.images ?? 'pinned' },
  }
}

function toolsOf({ tools = {} }: Parsed['spec']): PackageFile['tools'] {
  const { kustomize, helm } = tools
  return { ...(kustomize === undefined ? {} : { kustomize }), ...(helm === undefined ? {} : { helm }) }
}

function renderingOf({ manifests, kustomize, helm }: Parsed['spec']['environments'][string]): Rendering {
  if (kustomize !== undefined) return { kind: 'kustomize', path: kustomize }
  if (helm !== undefined) return { kind: 'helm', ...helm, values: helm.values ?? [] }
  return { kind: 'manifests', paths: manifests ?? [] }
}

function undeclared({ spec }: Parsed, document: YamlDocument): readonly Fault[] {
  return Object.entries(spec.environments).flatMap(([name, environment]) => {
    const tool = TOOLS.find((one) => environment[one] !== undefined)
    if (tool === undefined) return []
    const fault = (code: Fault['code'], what: string): Fault => ({
      code,
      message: `environment ${name} is rendered by ${tool}, and ${what} pins no version`,
      file: PACKAGE_FILE,
      line: lineAt(document, ['spec', 'environments', name, tool]),
      environment: name,
    })
    const unpinned = spec.tools?.[tool] === undefined ? [fault('TOOL_UNDECLARED', `spec.tools.${tool}`)] : []
    // A chart can ask for the version of the cluster; helm would make one up.
    const anyCluster = tool === 'helm' && spec.kubernetes === undefined
    return anyCluster ? [...unpinned, fault('PACKAGE_FILE_INVALID', 'spec.kubernetes.version')] : unpinned
  })
}

function faultsOf(issue: z.core.$ZodIssue, document: YamlDocument): readonly Fault[] {
  const path = issue.path.map((step) => (typeof step === 'number' ? step : String(step)))
  const fault = (at: readonly (string | number)[], message: string): Fault => ({
    code: 'PACKAGE_FILE_INVALID',
    message: `${at.join('.') || 'the file'}: ${message}`,
    file: PACKAGE_FILE,
    line: lineAt(document, at),
  })
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => fault([...path, key], 'no such field'))
  return [fault(path, issue.code === 'invalid_key' ? (issue.issues[0]?.message ?? issue.message) : issue.message)]
}

function invalid(faults: readonly Fault[]): WaybillError {
  const count = faults.length === 1 ? 'one fault' : `${faults.length} faults`
  const first = faults[0]
  return new WaybillError('PACKAGE_FILE_INVALID', `${PACKAGE_FILE}: ${count}; line ${first?.line}: ${first?.message}`, {
    faults,
  })
}

function isInside(path: string): boolean {
  return !path.startsWith('/') && !path.includes('\\') && !path.includes('\0') && !path.split('/').includes('..')
}

function isRepository(text: string): boolean {
  try {
    parseRepository(text)
    return true
  } catch {
    return false
  }
}
