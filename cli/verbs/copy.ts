import { WaybillError } from '../../contract/errors.ts'
import { parseRepository, type Reference } from '../../contract/reference.ts'
import { createOrasCopier, type Place } from '../../packager/copy/copier.ts'
import { type CopyEnd, copyRelease, type ImagePlaces } from '../../packager/copy/copy.ts'
import { openLayout } from '../../packager/layout-store.ts'
import { createOras } from '../../packager/publish/oras.ts'
import { collect, examples, type Flags, quietFlag, registryFlags } from '../flags.ts'
import { counted } from '../output.ts'
import { parsePlace } from '../place.ts'
import { openReader, orasOptions } from '../registry.ts'
import { openRelease } from '../release-source.ts'
import type { Context, Verb } from '../verb.ts'

export const verb: Verb = {
  define: (command) => {
    command
      .argument('<source>', 'repository or layout, with :tag or @sha256:…')
      .argument('<destination>', 'a repository, or the folder of a layout, which is made or added to')
      .option('--channel <name>', 'set this channel as the source has it; may be given more than once', collect)
      .option('--images [prefix]', 'the container images too: below this prefix, or into the layout')
      .option('--from-plain-http', 'speak HTTP to the source only')
      .option('--to-plain-http', 'speak HTTP to the destination only')
    quietFlag(registryFlags(command))
    examples(
      command,
      'waybill copy registry.example.com/acme/shop:1.4.2 mirror.example.com/acme/shop --channel production',
      'waybill copy registry.example.com/acme/shop:production ./carry --images',
      'waybill copy ./carry:production mirror.example.com/acme/shop --images mirror.example.com/images',
    )
  },
  run: async ([source = '', destination = ''], flags, context) => {
    const plain = { from: plainHttp(flags, 'from'), to: plainHttp(flags, 'to') }
    await using from = await openSource(source, plain.from, flags, context)
    await using to = await openDestination(destination, plain.to, flags, context)
    const { registryConfig, caFile, ...rest } = orasOptions(flags, context)
    const { plainHttp: _, ...oras } = { ...rest, ...(caFile && { caFile }), ...(registryConfig && { registryConfig }) }
    const copied = await copyRelease({
      from: from.end,
      to: { ...to.end, writer: to.writer },
      digest: from.digest,
      ...(from.tag === undefined ? {} : { tag: from.tag }),
      channels: flags.list('channel'),
      ...imagesOption(flags, from.end, to.end, plain),
      copier: createOrasCopier(oras),
      onStep: context.step,
    })
    const names = copied.tags.map(({ name }) => name)
    return {
      data: copied,
      text: [
        `${copied.reference}${names.length === 0 ? '' : `, as ${names.join(' and ')}`}`,
        `  with ${counted(copied.bundles, 'statement')}`,
        ...copied.images.map(({ image, to: where }) => `  image ${image} → ${where}`),
      ].join('\n'),
    }
  },
}

function plainHttp(flags: Flags, side: 'from' | 'to'): boolean {
  return flags.on('plainHttp') || flags.on(`${side}PlainHttp`)
}

async function openSource(text: string, plain: boolean, flags: Flags, context: Context) {
  const place = await parsePlace(text, context)
  const opened = await openRelease(text, flags, context, plain)
  const { reference, digest, source, name } = opened
  const where: Place =
    place.kind === 'layout'
      ? { kind: 'layout', folder: orasFolder(place.folder) }
      : { kind: 'registry', repository: reference, plainHttp: plain }
  const end: CopyEnd = {
    name: name.slice(0, name.lastIndexOf('@')),
    place: where,
    repository: reference,
    reader: source,
  }
  return { end, digest, tag: reference.tag, [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose]() }
}

async function openDestination(text: string, plain: boolean, flags: Flags, context: Context) {
  const place = await parsePlace(text, context)
  if (place.kind === 'layout') {
    const { name, folder, tag, digest } = place
    if (tag !== undefined || digest !== undefined) throw named(text)
    const store = openLayout(orasFolder(folder))
    const end: CopyEnd = { name, place: { kind: 'layout', folder }, repository: anyRepository(name), reader: store }
    return { end, writer: store, [Symbol.asyncDispose]: async () => {} }
  }
  const repository = place.reference
  if (repository.tag !== undefined || repository.digest !== undefined) throw named(text)
  const { reader, ...opened } = await openReader(flags, context, plain)
  const end: CopyEnd = {
    name: repository.repository,
    place: { kind: 'registry', repository, plainHttp: plain },
    repository,
    reader,
  }
  const writer = createOras({ ...orasOptions(flags, context), plainHttp: plain })
  return { end, writer, [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose]() }
}

function named(text: string): WaybillError {
  return new WaybillError('REFERENCE_INVALID', `"${text}": the destination takes no tag or digest`, {
    hint: 'Names are copied as the source has them; --channel adds channels.',
  })
}

/** A layout has no repositories. */
function anyRepository(name: string): Reference {
  return { registry: '', path: '', repository: name }
}

/** oras reads what follows `:` or `@` in a folder's name as a tag or digest. */
function orasFolder(folder: string): string {
  if (!/[:@]/.test(folder)) return folder
  throw new WaybillError('USAGE', `${folder}: a layout's path must not have ":" or "@" in it`)
}

function imagesOption(
  flags: Flags,
  from: CopyEnd,
  to: CopyEnd,
  plain: { readonly from: boolean; readonly to: boolean },
): { readonly images?: ImagePlaces } {
  const prefix = flags.text('images')
  if (prefix === undefined && !flags.on('images')) return {}
  const isPlain = (host: string, { place }: CopyEnd) =>
    place.kind === 'registry' && place.plainHttp && place.repository.registry === host
  const source: ImagePlaces['from'] = ({ repository }) =>
    from.place.kind === 'layout'
      ? from.place
      : {
          kind: 'registry',
          repository,
          // Where other registries keep their images nothing was said of HTTP.
          plainHttp: isPlain(repository.registry, from) || isPlain(repository.registry, to),
        }
  if (to.place.kind === 'layout') {
    if (prefix !== undefined)
      throw new WaybillError('USAGE', '--images takes no prefix where the destination is a layout')
    return { images: { from: source, to: { layout: to.place.folder }, reader: to.reader } }
  }
  if (prefix === undefined)
    throw new WaybillError('USAGE', '--images needs a prefix where the destination is a registry', {
      hint: 'For instance --images mirror.example.com/images.',
    })
  return {
    images: { from: source, to: { prefix: parseRepository(prefix), plainHttp: plain.to }, reader: to.reader },
  }
}
