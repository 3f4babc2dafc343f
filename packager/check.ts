import { compareBytes } from '../contract/artifact/artifact.ts'
import { isKubeObject, type KubeObject } from '../contract/artifact/objects.ts'
import { ERRORS, type Fault, WaybillError } from '../contract/errors.ts'
import { checkDuplicates } from './checks/duplicates.ts'
import { checkEnvironments } from './checks/environments.ts'
import { checkIdentity } from './checks/identity.ts'
import { checkImages } from './checks/images.ts'
import { checkLimits } from './checks/limits.ts'
import { checkOrdering, orderingWarnings } from './checks/ordering.ts'
import { checkPolicies } from './checks/policies.ts'
import { checkReplicas } from './checks/replicas.ts'
import { checkReserved } from './checks/reserved.ts'
import { checkSchemas, type Findings } from './checks/schemas.ts'
import { checkSecrets } from './checks/secrets.ts'
import type { PackageFile } from './package-file.ts'
import type { Rendered } from './render/rendered.ts'
import type { Kubernetes } from './schemas/builtins.ts'

/** Objects that passed every check, by environment, and what people should see though it passed. */
export type Checked = {
  readonly environments: Readonly<Record<string, readonly KubeObject[]>>
  readonly tools: Readonly<Record<string, string>>
  readonly warnings: readonly Fault[]
}

/** Every fault of a rendered commit, those of rendering included, and every warning, by file, line and code. Pure. */
export function inspect(rendered: Rendered, packageFile: PackageFile, kubernetes: Kubernetes): Findings {
  const schemas = checkSchemas(rendered, packageFile, kubernetes)
  const policies = checkPolicies(rendered, packageFile, kubernetes)
  const faults = [...findFaults(rendered, packageFile), ...schemas.faults, ...policies.faults]
  return {
    faults: sorted(faults),
    warnings: sorted([
      ...(rendered.warnings ?? []),
      ...orderingWarnings(Object.values(rendered.environments).flat()),
      ...schemas.warnings,
      ...policies.warnings,
    ]),
  }
}

/** The faults that no schema is needed for. */
export function findFaults(rendered: Rendered, packageFile: PackageFile): readonly Fault[] {
  const objects = Object.values(rendered.environments).flat()
  const faults = [
    ...rendered.faults,
    ...checkEnvironments(rendered, packageFile),
    ...checkIdentity(objects),
    ...checkReserved(objects),
    ...checkDuplicates(objects),
    ...checkSecrets(objects, packageFile.checks.secrets),
    ...checkImages(objects, packageFile.checks.images),
    ...checkReplicas(objects),
    ...checkOrdering(rendered.environments),
    ...checkLimits(objects),
  ]
  return sorted(faults)
}

/** @throws WaybillError CHECK_FAILED (RENDER_FAILED where that is all) with every fault */
export function check(rendered: Rendered, packageFile: PackageFile, kubernetes: Kubernetes): Checked {
  const { faults, warnings } = inspect(rendered, packageFile, kubernetes)
  assertFaultless(faults, warnings)
  const environments = Object.entries(rendered.environments).map(([name, objects]) => {
    const passed = objects.map(({ object }) => object).filter(isKubeObject)
    return [name, passed] as const
  })
  return { environments: Object.fromEntries(environments), tools: rendered.tools, warnings }
}

/** @throws WaybillError CHECK_FAILED (RENDER_FAILED where that is all) unless there are no faults */
export function assertFaultless(faults: readonly Fault[], warnings: readonly Fault[] = []): void {
  const [first] = faults
  if (first === undefined) return
  const code = faults.every((fault) => fault.code === 'RENDER_FAILED') ? 'RENDER_FAILED' : 'CHECK_FAILED'
  const count = faults.length === 1 ? 'one fault' : `${faults.length} faults`
  const codes = [...new Set(faults.map((fault) => fault.code))]
  const hints = codes.map((one) => (codes.length === 1 ? ERRORS[one].hint : `${one}: ${ERRORS[one].hint}`))
  throw new WaybillError(code, `${count}; ${placeOf(first)}${first.message}`, {
    faults,
    warnings,
    hint: hints.join('\n      '),
  })
}

function placeOf({ file, line }: Fault): string {
  if (file === undefined) return ''
  return line === undefined ? `${file}: ` : `${file}:${line}: `
}

/** In the order in which a person reads files; what two environments share, and is wrong in both, is said once for each. */
function sorted(faults: readonly Fault[]): readonly Fault[] {
  return [...faults].sort(
    (a, b) =>
      compareBytes(a.file ?? '', b.file ?? '') ||
      (a.line ?? 0) - (b.line ?? 0) ||
      compareBytes(a.environment ?? '', b.environment ?? '') ||
      compareBytes(a.code, b.code),
  )
}
