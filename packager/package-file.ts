import { z } from 'zod'
import { byEnvironment, packageNameSchema } from '../contract/artifact/artifact.ts'
import { type Fault, WaybillError } from '../contract/errors.ts'
import { LIMITS } from '../contract/limits.ts'
import { parseRepository } from '../contract/reference.ts'
import { lineAt, readYaml, type YamlDocument } from './yaml/yaml.ts'

/** The file's name, at the root of the repository. */
export const PACKAGE_FILE = 'waybill.yaml'

/** How an environment's objects come about. */
export type Rendering =
  | { readonly kind: 'manifests'; readonly paths: readonly string[] }
  | { readonly kind: 'kustomize'; readonly path: string }

export type Checks = { readonly secrets: 'refuse' | 'allow'; readonly images: 'pinned' | 'any' }

/** `waybill.yaml` (docs/FORMAT.md), as the rest of the packager needs it. */
export type PackageFile = {
  readonly name: string
  readonly repository: string
  readonly source: string
  /** '' where none is pinned. */
  readonly kubernetesVersion: string
  /** The line that pins it. */
  readonly kubernetesLine: number
  /** Files and folders of CRDs that the package does not deliver. */
  readonly schemas: readonly string[]
  readonly tools: { readonly kustomize?: string }
  readonly environments: Readonly<Record<string, Rendering>>
  /** The line that names each environment. */
  readonly lines: Readonly<Record<string, number>>
  /** The line that pins tools. */
  readonly toolsLine: number
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

const environmentSchema = z
  .strictObject({
    manifests: z.array(pathSchema).min(1).max(256).optional(),
    kustomize: pathSchema.optional(),
    helm: z.unknown().optional(),
    repository: z.unknown().optional(),
  })
  .refine(
    ({ manifests, kustomize, helm }) => [manifests, kustomize, helm].filter((one) => one !== undefined).length === 1,
    'exactly one of manifests and kustomize',
  )

const packageFileSchema = z.strictObject({
  apiVersion: z.literal('waybill.dev/v1alpha1'),
  kind: z.literal('Package'),
  metadata: z.strictObject({ name: packageNameSchema }),
  spec: z.strictObject({
    repository: repositorySchema,
    source: sourceSchema,
    kubernetes: z.strictObject({ version: versionText('a version').max(32) }).optional(),
    schemas: z.array(pathSchema).min(1).max(256).optional(),
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
 * Reads `waybill.yaml`.
 * @throws WaybillError PACKAGE_FILE_INVALID with every fault and its line; FIELD_UNSUPPORTED where that is all that is wrong
 */
export function parsePackageFile(bytes: Uint8Array): PackageFile {
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
    ? [...unsupported(parsed.data, document), ...undeclared(parsed.data, document)]
    : parsed.error.issues.flatMap((issue) => faultsOf(issue, document))
  if (!parsed.success || fieldFaults.length > 0) throw invalid(fieldFaults)
  return packageFileOf(parsed.data, document)
}

function packageFileOf({ metadata, spec }: Parsed, document: YamlDocument): PackageFile {
  const environments = Object.entries(spec.environments)
  return {
    name: metadata.name,
    repository: spec.repository,
    source: spec.source,
    kubernetesVersion: spec.kubernetes?.version ?? '',
    kubernetesLine: lineAt(document, ['spec', 'kubernetes', 'version']),
    schemas: spec.schemas ?? [],
    tools: spec.tools?.kustomize === undefined ? {} : { kustomize: spec.tools.kustomize },
    environments: Object.fromEntries(environments.map(([name, environment]) => [name, renderingOf(environment)])),
    lines: Object.fromEntries(environments.map(([name]) => [name, lineAt(document, ['spec', 'environments', name])])),
    toolsLine: lineAt(document, ['spec', 'tools', 'kustomize']),
    checks: { secrets: spec.checks?.secrets ?? 'refuse', images: spec.checks?.images ?? 'pinned' },
  }
}

function renderingOf({ manifests, kustomize }: Parsed['spec']['environments'][string]): Rendering {
  return kustomize === undefined
    ? { kind: 'manifests', paths: manifests ?? [] }
    : { kind: 'kustomize', path: kustomize }
}

function unsupported({ spec }: Parsed, document: YamlDocument): readonly Fault[] {
  return Object.entries(spec.environments).flatMap(([name, environment]) =>
    (['helm', 'repository'] as const)
      .filter((field) => environment[field] !== undefined)
      .map((field) => ({
        code: 'FIELD_UNSUPPORTED' as const,
        message: `spec.environments.${name}.${field} is not built yet`,
        file: PACKAGE_FILE,
        line: lineAt(document, ['spec', 'environments', name, field]),
        environment: name,
      })),
  )
}

function undeclared({ spec }: Parsed, document: YamlDocument): readonly Fault[] {
  if (spec.tools?.kustomize !== undefined) return []
  return Object.entries(spec.environments)
    .filter(([, { kustomize }]) => kustomize !== undefined)
    .map(([name]) => ({
      code: 'TOOL_UNDECLARED' as const,
      message: `environment ${name} is rendered by kustomize, and spec.tools.kustomize pins no version`,
      file: PACKAGE_FILE,
      line: lineAt(document, ['spec', 'environments', name, 'kustomize']),
      environment: name,
    }))
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
  const code = faults.every((fault) => fault.code === 'FIELD_UNSUPPORTED')
    ? 'FIELD_UNSUPPORTED'
    : 'PACKAGE_FILE_INVALID'
  const count = faults.length === 1 ? 'one fault' : `${faults.length} faults`
  const first = faults[0]
  return new WaybillError(code, `${PACKAGE_FILE}: ${count}; line ${first?.line}: ${first?.message}`, { faults })
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
