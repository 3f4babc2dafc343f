import type { Fault } from '../../contract/errors.ts'
import { LIMITS } from '../../contract/limits.ts'
import type { PackageFile } from '../package-file.ts'
import type { Rendered } from '../render/rendered.ts'

/**
 * Every environment has objects, and no more than fit. One without any is refused: delivering it would delete all that the release before
 * brought, which the puller asks a person about; whoever means it deletes the Delivery.
 */
export function checkEnvironments({ environments, faults }: Rendered, { file, lines }: PackageFile): readonly Fault[] {
  return Object.entries(environments).flatMap(([environment, objects]): readonly Fault[] => {
    const line = lines[environment]
    const place = { file, ...(line === undefined ? {} : { line }), environment }
    if (objects.length > LIMITS.objectsPerEnvironmentMax) {
      const message = `environment ${environment}: ${objects.length} objects; ${LIMITS.objectsPerEnvironmentMax} are allowed`
      return [{ code: 'LIMIT_EXCEEDED', message, ...place }]
    }
    // Where its files are at fault, that is why there is nothing.
    if (objects.length > 0 || faults.some((fault) => fault.environment === environment)) return []
    return [{ code: 'ENVIRONMENT_RENDERS_NOTHING', message: `environment ${environment} has no objects`, ...place }]
  })
}
