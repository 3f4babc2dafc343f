import type { Fault } from '../../../contract/errors.ts'
import { type Chart, everyChart, fileOf, locate } from './chart.ts'
import { type Chunk, chunksOf } from './chunks.ts'
import { mentionsIn } from './templates.ts'

/** What depends on when, or by which build of helm, a template is rendered. Twice in a row may look the same. */
const UNSTEADY =
  /(?<![\w.$-])(?:now|ago)(?![\w-])|\.HelmVersion\.(?:GoVersion|GitCommit|GitTreeState|KubeClientVersion)\b/g

/** Functions whose answer is a matter of chance: the order of a mapping's keys too. */
const CHANCE =
  /(?<![\w.$-])(?:keys|values|shuffle|rand[A-Z]\w*|uuidv4|gen(?:CA|Signed|SelfSigned|Private)\w*|htpasswd|bcrypt|encryptAES)(?![\w-])/g

/** A file whose actions helm may run, and its name for people where it stands in an archive. */
type Source = { readonly file: string; readonly bytes: Buffer; readonly inside?: string }

function sourcesOf(chart: Chart): readonly Source[] {
  return everyChart(chart).flatMap((each) =>
    [...each.files]
      .filter(([name]) => name === 'values.yaml' || (name.startsWith('templates/') && !name.endsWith('NOTES.txt')))
      .map(([name, bytes]) => ({
        ...{ file: fileOf(each, name), bytes },
        ...(each.packed ? { inside: `${each.name}/${name}` } : {}),
      })),
  )
}

/** Where a chart's templates and values, or values of the package, ask for the time or for what the build of helm is. */
export function findUnsteady(chart: Chart, values: ReadonlyMap<string, Buffer>): readonly Fault[] {
  const own = [...values].map(([file, bytes]): Source => ({ file, bytes }))
  return [...sourcesOf(chart), ...own].flatMap(({ file, bytes, inside }) =>
    mentionsIn(bytes, UNSTEADY).map(({ word, line }): Fault => {
      const where = inside === undefined ? '' : `${inside}:${line}: `
      const message = `${where}${word} gives something else another day, or with another build of helm`
      return { code: 'RENDER_UNSTABLE', message, file, ...(inside === undefined ? { line } : {}) }
    }),
  )
}

/** True where a template could leave something to chance: two renderings may then be the same by chance, too. */
export function leavesToChance(chart: Chart): boolean {
  return sourcesOf(chart).some(({ bytes }) => mentionsIn(bytes, CHANCE).length > 0)
}

/** The templates that did not render to the same twice, of what is delivered at all. */
export function differences(
  one: string,
  other: string,
  chart: Chart,
  isDelivered: (chunk: Chunk) => boolean,
): readonly Fault[] {
  const [first, second] = [chunksOf(one), chunksOf(other)]
  const sameAt = (i: number) => first[i]?.source === second[i]?.source && first[i]?.text === second[i]?.text
  const found = first.filter((_, i) => !sameAt(i))
  const unlike = found.length > 0 ? found : second.filter((_, i) => !sameAt(i))
  return [...new Set(unlike.filter(isDelivered).map(({ source }) => source))].map((source): Fault => {
    const at = locate(chart, source)
    const line = at === undefined || at.chart.packed ? undefined : lineOfChance(at.chart, at.name)
    return {
      code: 'RENDER_UNSTABLE',
      message: `${source} renders to something else each time`,
      file: at === undefined ? fileOf(chart, 'Chart.yaml') : fileOf(at.chart, at.name),
      ...(line === undefined ? {} : { line }),
    }
  })
}

function lineOfChance({ files }: Chart, name: string): number | undefined {
  return mentionsIn(files.get(name) ?? Buffer.alloc(0), CHANCE)[0]?.line
}
