import { satisfies, valid, validRange } from 'semver'
import type { Fault } from '../../../contract/errors.ts'
import { type Chart, type Dependency, everyChart, fileOf } from './chart.ts'
import { lockDigest, lockDigestV2 } from './lock-digest.ts'

/**
 * Every dependency of a chart, and of the charts in it, stands in `charts/` in the version that Chart.lock names or, where there is
 * none, in one that Chart.yaml asks for; and a Chart.lock is of this very Chart.yaml. helm itself looks at names only.
 */
export function checkDependencies(chart: Chart): readonly Fault[] {
  return everyChart(chart).flatMap((each) => [
    ...lockFaults(each, chart),
    ...each.dependencies.flatMap((one) => faultsOf(each, one, chart)),
  ])
}

function fault({ at, packed, dependenciesFile }: Chart, message: string, line?: number): Fault {
  const place = packed || line === undefined ? {} : { line }
  return { code: 'CHART_DEPENDENCY', message, file: fileOf({ at, packed }, dependenciesFile), ...place }
}

function lockFaults(chart: Chart, root: Chart): readonly Fault[] {
  const { lock, dependencies, apiVersion } = chart
  // A packed chart is as it was published; whoever vendors it cannot lock it again.
  if (lock === undefined || chart.packed) return []
  const required = dependencies.map(({ raw }) => raw)
  if (lock.digest === lockDigest(required, lock.dependencies)) return []
  if (apiVersion === 'v1' && lock.digest === lockDigestV2(required)) return []
  const message = `${lock.file} is of another ${chart.dependenciesFile}: ${command('update', chart, root)}`
  return [{ ...fault(chart, message), file: fileOf(chart, lock.file) }]
}

function faultsOf(chart: Chart, dependency: Dependency, root: Chart): readonly Fault[] {
  const { name, version, line } = dependency
  const vendored = chart.subcharts.filter((subchart) => subchart.name === name)
  if (vendored.length === 0) {
    const from = dependency.repository === '' ? '' : ` (${withoutPassword(dependency.repository)})`
    return [fault(chart, `${name} ${version}${from} is not in charts/: ${command('build', chart, root)}`, line)]
  }
  const wanted = lockedVersion(chart, dependency) ?? version
  if (vendored.some((subchart) => matches(subchart.version, wanted))) return []
  const versions = vendored.map((subchart) => subchart.version).join(', ')
  return [
    fault(
      chart,
      `charts/ holds ${name} ${versions}, and ${wanted} is asked for: ${command('build', chart, root)}`,
      line,
    ),
  ]
}

/** The entry of the lock: of the same place where both lists are as long, of the same name otherwise. */
function lockedVersion({ lock, dependencies }: Chart, dependency: Dependency): string | undefined {
  if (lock === undefined) return undefined
  const same = lock.dependencies.filter(({ name }) => name === dependency.name)
  const at = dependencies.filter(({ name }) => name === dependency.name).indexOf(dependency)
  const { version } = same[at] ?? {}
  return typeof version === 'string' ? version : undefined
}

/** True for the same version, or one in a range. helm's commas mean "and". */
function matches(version: string, wanted: string): boolean {
  if (valid(wanted) !== null) return valid(version) === valid(wanted)
  const range = validRange(wanted.replaceAll(',', ' '))
  return wanted === '' || (range !== null && satisfies(version, range))
}

function command(verb: 'build' | 'update', chart: Chart, root: Chart): string {
  const of = chart.packed ? root.at : chart.at
  return `run \`helm dependency ${verb} ${of}\` and commit ${fileOf({ at: of, packed: false }, 'charts/')}`
}

function withoutPassword(address: string): string {
  return address
    .replace(/\/\/[^/@]*@/, '//')
    .replace(/\?.*$/, '')
    .slice(0, 200)
}
