import { isJsonObject, type Json, type JsonObject } from '../../../contract/canonical-json.ts'
import { type Fault, WaybillError } from '../../../contract/errors.ts'
import { LIMITS } from '../../../contract/limits.ts'
import { lineAt, readYaml, type YamlDocument } from '../../yaml/yaml.ts'
import { type ChartFiles, unpack } from './chart-files.ts'

/** A dependency as Chart.yaml declares it, and with what else it says there (`raw`). */
export type Dependency = {
  readonly name: string
  readonly version: string
  readonly repository: string
  readonly alias: string
  readonly line: number
  readonly raw: JsonObject
}

export type ChartLock = { readonly file: string; readonly digest: string; readonly dependencies: readonly JsonObject[] }

/** A chart, read as helm reads it (v4.3.1, pkg/chart/v2/loader), .helmignore aside. */
export type Chart = {
  readonly name: string
  readonly version: string
  readonly apiVersion: string
  /** Where it stands in the commit: its folder, or the archive that it, or a chart around it, is packed in. */
  readonly at: string
  readonly packed: boolean
  readonly files: ChartFiles
  /** Which of its files declares what it depends on. */
  readonly dependenciesFile: string
  readonly dependencies: readonly Dependency[]
  readonly lock: ChartLock | undefined
  readonly subcharts: readonly Chart[]
  readonly faults: readonly Fault[]
}

/** The file of the commit in which a file of the chart stands. */
export function fileOf({ at, packed }: Pick<Chart, 'at' | 'packed'>, name: string): string {
  if (packed) return at
  return at === '.' ? name : `${at}/${name}`
}

/** A chart and all the charts in it, itself first. */
export function everyChart(chart: Chart): readonly Chart[] {
  return [chart, ...chart.subcharts.flatMap(everyChart)]
}

/** Archives may hold archives, each many times what it is packed to. */
const CHARTS_MAX = 1000
const UNPACKED_BYTES_MAX = LIMITS.layerUnpackedBytesMax
type Room = { charts: number; bytes: number }

/**
 * Reads a chart out of its files, and the charts in its `charts/` too. What cannot be read is in `faults`.
 * @throws WaybillError LIMIT_EXCEEDED where more than 1,000 charts stand in it, or 512 MiB
 */
export async function parseChart(
  files: ChartFiles,
  at: string,
  packed: boolean,
  room: Room = { charts: CHARTS_MAX, bytes: UNPACKED_BYTES_MAX },
): Promise<Chart> {
  room.charts--
  for (const { length } of packed ? files.values() : []) room.bytes -= length
  if (room.charts < 0 || room.bytes < 0)
    throw new WaybillError('LIMIT_EXCEEDED', `${at}: more than ${CHARTS_MAX} charts, or ${UNPACKED_BYTES_MAX} bytes`)
  const faults: Fault[] = []
  const read = (name: string): YamlDocument | undefined => {
    const bytes = files.get(name)
    if (bytes === undefined) return undefined
    const { documents, faults: found } = readYaml(fileOf({ at, packed }, name), bytes, 'helm')
    faults.push(...found)
    return documents[0]
  }
  const metadata = read('Chart.yaml')
  if (metadata === undefined && faults.length === 0)
    faults.push({ code: 'INPUT_MISSING', message: 'a chart has this file', file: fileOf({ at, packed }, 'Chart.yaml') })
  const old = read('requirements.yaml')
  const { name, version, apiVersion } = objectOf(metadata?.value)
  const lockFile = files.has('Chart.lock') ? 'Chart.lock' : 'requirements.lock'
  return {
    name: textOf(name),
    version: textOf(version),
    apiVersion: textOf(apiVersion) || 'v1',
    ...{ at, packed, files, faults },
    dependenciesFile: old === undefined ? 'Chart.yaml' : 'requirements.yaml',
    dependencies: dependenciesOf(old ?? metadata),
    lock: lockOf(lockFile, read(lockFile)),
    subcharts: await subchartsOf(files, at, packed, room),
  }
}

function dependenciesOf(document: YamlDocument | undefined): readonly Dependency[] {
  const { dependencies } = objectOf(document?.value)
  if (document === undefined || !Array.isArray(dependencies)) return []
  return dependencies.flatMap((raw: Json, i) => {
    if (!isJsonObject(raw)) return []
    const { name, version, repository, alias } = raw
    const texts = { name: textOf(name), version: textOf(version), repository: textOf(repository), alias: textOf(alias) }
    return [{ ...texts, line: lineAt(document, ['dependencies', i]), raw }]
  })
}

function lockOf(file: string, document: YamlDocument | undefined): ChartLock | undefined {
  if (document === undefined) return undefined
  const { digest, dependencies } = objectOf(document.value)
  return {
    file,
    digest: textOf(digest),
    dependencies: Array.isArray(dependencies) ? dependencies.filter(isJsonObject) : [],
  }
}

async function subchartsOf(files: ChartFiles, at: string, packed: boolean, room: Room): Promise<readonly Chart[]> {
  const folders = new Map<string, Map<string, Buffer>>()
  const charts: Chart[] = []
  for (const [name, bytes] of files) {
    const [, folder, inside] = /^charts\/([^/]+)(?:\/(.+))?$/.exec(name) ?? []
    if (folder === undefined || /^[_.]/.test(folder)) continue
    if (inside !== undefined) folders.set(folder, (folders.get(folder) ?? new Map()).set(inside, bytes))
    else if (folder.endsWith('.tgz')) {
      const archive = packed ? at : fileOf({ at, packed }, name)
      charts.push(await parseChart((await unpack(bytes)) ?? new Map(), archive, true, room))
    }
  }
  for (const [folder, inside] of folders)
    charts.push(await parseChart(inside, packed ? at : fileOf({ at, packed }, `charts/${folder}`), packed, room))
  return charts
}

function objectOf(value: Json | undefined): JsonObject {
  return isJsonObject(value) ? value : {}
}

/** As Go reads YAML into a string. */
function textOf(value: Json | undefined): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : ''
}

/** A chart's file, and the chart that it is in, by the name that helm gives it: `shop/charts/cache/templates/a.yaml`. */
export function locate(chart: Chart, source: string): { readonly chart: Chart; readonly name: string } | undefined {
  const name = source.slice(source.indexOf('/') + 1)
  const [, called, inside] = /^charts\/([^/]+)\/(.+)$/.exec(name) ?? []
  if (called === undefined || inside === undefined) return chart.files.has(name) ? { chart, name } : undefined
  const wanted = chart.dependencies.find(({ alias }) => alias === called)?.name ?? called
  for (const subchart of chart.subcharts) {
    const found = subchart.name === wanted ? locate(subchart, `${called}/${inside}`) : undefined
    if (found !== undefined) return found
  }
  return undefined
}
