import { WaybillError } from '../../contract/errors.ts'
import { ONLY_ENVIRONMENT, type Source } from './source.ts'

/**
 * The one thing to deliver; undefined where nothing was found. Of several none is chosen, unless they were named and can stand side by side in
 * one environment. @throws WaybillError SOURCES_AMBIGUOUS, listing them; USAGE where nothing is where `from` says
 */
export function chooseSource(sources: readonly Source[], from: readonly string[]): Source | undefined {
  const [first, ...others] = sources
  if (first === undefined && from.length > 0)
    throw new WaybillError('USAGE', `${from.join(', ')}: no kustomization, chart or manifest is there`, {
      hint: '--from takes folders and files, relative to the root of the repository.',
    })
  if (first === undefined || others.length === 0) return first
  const paths = sources.flatMap(({ environments }) => {
    const rendering = environments[ONLY_ENVIRONMENT]
    return Object.keys(environments).length === 1 && rendering?.kind === 'manifests' ? [rendering.paths] : []
  })
  if (from.length > 1 && paths.length === sources.length)
    return {
      kind: 'manifests',
      path: sources.map(({ path }) => path).join(', '),
      environments: { [ONLY_ENVIRONMENT]: { kind: 'manifests', paths: paths.flat() } },
    }
  const lines = sources.map(
    ({ kind, path, environments }) => `--from ${path} (${kind}: ${Object.keys(environments).join(', ')})`,
  )
  throw new WaybillError('SOURCES_AMBIGUOUS', `${sources.length} things could be delivered from here`, {
    hint: `One package is made of one of them:\n      ${lines.join('\n      ')}`,
  })
}
