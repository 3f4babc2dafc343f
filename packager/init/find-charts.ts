import type { Rendering } from '../package-file.ts'
import { isEnvironmentWord, labelOf, lastOf, parentOf } from './environment-names.ts'
import { type Files, isUnder, mappingIn, ONLY_ENVIRONMENT, ordered, type Source } from './source.ts'

/** Charts that can be installed: those inside another chart, and libraries, are parts of others. Values may stand outside the folders that were asked for. */
export function findCharts(within: Files, files: Files, name: string): readonly Source[] {
  const every = [...within.keys()].filter((path) => lastOf(path) === 'Chart.yaml')
  const folders = every.map((path) => parentOf(path) || '.')
  const outermost = every.filter((path, i) => !isUnder(path, folders.toSpliced(i, 1)))
  const charts = outermost.filter((path) => mappingIn(path, within.get(path) ?? Buffer.alloc(0)).type !== 'library')
  return charts.map((path) => sourceOf(parentOf(path) || '.', files, name, charts.length === 1))
}

function sourceOf(chart: string, files: Files, name: string, isOnly: boolean): Source {
  const rendering = (values: readonly string[]): Rendering => ({
    kind: 'helm',
    chart,
    values,
    release: name.slice(0, 53).replace(/-+$/, ''),
    namespace: name,
  })
  const found = [...files.keys()].flatMap((path) => {
    const environment = environmentOf(path, chart, isOnly)
    return environment === undefined ? [] : [[environment, rendering([path])] as const]
  })
  const environments = found.length === 0 ? { [ONLY_ENVIRONMENT]: rendering([]) } : ordered(found)
  return { kind: 'helm', path: chart, environments }
}

const NO_ENVIRONMENT = new Set(['example', 'sample', 'schema', 'template', 'ci', 'default', 'defaults', ''])

/**
 * `values-staging.yaml`, `values.staging.yaml`, in the chart or the folder around it (anywhere, where there is one chart), and
 * `staging.yaml` in a folder `values` or `environments` there.
 */
function environmentOf(path: string, chart: string, isOnly: boolean): string | undefined {
  const folder = parentOf(path) || '.'
  const isNear = folder === chart || folder === (parentOf(chart) || '.')
  const suffix = /^values[-._](.+)\.ya?ml$/.exec(lastOf(path))?.[1]
  const inValues =
    ['values', 'environments', 'envs'].includes(lastOf(folder)) && isUnder(path, [parentOf(chart) || '.'])
  const own = inValues ? /^(?:values[-._])?(.+)\.ya?ml$/.exec(lastOf(path))?.[1] : undefined
  const word = own !== undefined && isEnvironmentWord(own) ? own : isNear || isOnly ? suffix : undefined
  const name = labelOf(word ?? '')
  return NO_ENVIRONMENT.has(name) || path.includes('/templates/') || path.includes('/ci/') ? undefined : name
}
