import { constants } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { parseArgs } from 'node:util'
import { readText } from '../../cli/disk.ts'
import { errorText, toWaybillError } from '../../cli/output.ts'
import { WaybillError } from '../../contract/errors.ts'
import { parseSigningKey, type SigningKey } from '../../packager/publish/keys.ts'
import { progressOn } from '../progress.ts'
import { type BuiltImage, buildImage } from './build-image.ts'
import { fewOf } from './source.ts'

/** `npm run image -- [FOLDER] [--key FILE] [--source URL]`: builds Waybill's image into an OCI layout, without Docker. */
const root = dirname(dirname(import.meta.dirname))

const help = `npm run image -- [FOLDER] [--key FILE] [--source URL]

Builds the image of this checkout, as it stands, into an OCI layout: FOLDER, or dist/image.

  --key FILE    sign it, and attest its provenance and what is in it: a PEM file, or a cosign.key with its
                password in COSIGN_PASSWORD. Only what is committed can be signed.
  --source URL  where the source is at home; it stands in a label
`

async function main(args: readonly string[]): Promise<void> {
  const { folder, key: keyFile, source, isHelp } = readArguments(args)
  if (isHelp) return void process.stdout.write(help)
  const key = keyFile === undefined ? undefined : await readKey(keyFile)
  const progress = progressOn(process.stderr)
  const image = await buildImage({
    folder,
    ...(key === undefined ? {} : { key }),
    ...(source === undefined ? {} : { source }),
    env: process.env,
    now: new Date(),
    onStep: (step) => progress.update(`${step} …`),
  })
  for (const note of notesOf(image)) progress.say(`note: ${note}`)
  process.stdout.write(report(image, relative(process.cwd(), folder) || '.'))
}

function readArguments(args: readonly string[]) {
  try {
    const options = {
      key: { type: 'string' },
      source: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    } as const
    const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true })
    if (positionals.length > 1) throw new TypeError(`one folder is needed, not ${positionals.join(' and ')}`)
    if (values.source !== undefined && !URL.canParse(values.source)) throw new TypeError('--source is not a URL')
    const { help: isHelp = false, ...rest } = values
    return { folder: positionals[0] ?? join(root, 'dist', 'image'), isHelp, ...rest }
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause
    throw new WaybillError('USAGE', cause.message, { cause, hint: '`npm run image -- --help` shows what it takes.' })
  }
}

async function readKey(file: string): Promise<SigningKey> {
  const text = await readText(process.cwd(), file)
  const password = process.env.COSIGN_PASSWORD
  return parseSigningKey(text, password === undefined ? {} : { password })
}

function notesOf({ signed, from, source }: BuiltImage): readonly string[] {
  const { revision, uncommitted } = from
  return [
    ...(uncommitted.length > 0
      ? [`built from the working tree, so it names no revision: ${fewOf(uncommitted)} differ from the commit`]
      : []),
    ...(revision === undefined && uncommitted.length === 0 ? ['no Git here, so it names no revision'] : []),
    ...(source === undefined ? ['it names no source: package.json has no repository, and --source was not given'] : []),
    ...(signed ? [] : ['not signed: give --key to sign it']),
  ]
}

function report({ digest, tag, platform, layers, compressedBytes, signed }: BuiltImage, folder: string): string {
  const names = ['Node and its libraries', 'npm packages', 'Waybill']
  const copy = `oras copy ${signed ? '-r ' : ''}--from-oci-layout ${folder}:${tag} REGISTRY/waybill:${tag}`
  return `${[
    `${folder}:${tag} ${digest}`,
    ...layers.map(({ size }, index) => `  ${megabytes(size)}  ${names[index] ?? ''}`),
    `  ${megabytes(compressedBytes)}  compressed, ${platform}, ${signed ? 'signed, with provenance and SPDX' : 'not signed'}`,
    `next: ${copy}`,
    `then: waybill install --image REGISTRY/waybill@${digest}`,
  ].join('\n')}\n`
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`.padStart(8)
}

// What was half written goes when the process ends by itself.
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => process.exit(128 + constants.signals[signal]))
main(process.argv.slice(2)).catch((thrown: unknown) => {
  const error = toWaybillError(thrown)
  process.stderr.write(errorText(error))
  process.exitCode = error.exit
})
