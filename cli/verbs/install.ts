import { InvalidArgumentError, Option } from 'commander'
import { WaybillError } from '../../contract/errors.ts'
import { parseReference } from '../../contract/reference.ts'
import { type InstallOptions, installObjects } from '../../puller/install/install.ts'
import { parseSharedKind } from '../../puller/install/shared-kinds.ts'
import { collect, examples, type Flags, kubeName } from '../flags.ts'
import { printObjects } from '../objects.ts'
import { readCertificates } from '../registry.ts'
import type { Context, Verb } from '../verb.ts'

export const verb: Verb = {
  define: (command) => {
    command
      .option('--image <ref>', 'the puller’s image, by digest')
      .option('--namespace <name>', 'the puller’s own namespace (default: waybill-system)', kubeName)
      .addOption(new Option('--puller-namespace <name>', 'as --namespace').argParser(kubeName).hideHelp())
      .option('--replicas <n>', 'one works, the others stand by (default: 2)', replicas)
      .option('--attribution', 'and a policy that notes on delivered objects who changed them (Kubernetes 1.36)')
      .option('--guard', 'and a policy that keeps others than Waybill from changing what is delivered')
      .option('--guard-group <group>', 'a group that the guard lets through; may be given again', collect)
      .option(
        '--shared-watch <kind>',
        'the puller watches this kind everywhere as itself: Deployment.apps; may be given again',
        collect,
      )
      .option('--service-monitor', 'and a ServiceMonitor, for the Prometheus operator')
      .option(
        '--egress-port <port>',
        'a TCP port that the puller reaches besides 443 and 6443; may be given again',
        collect,
      )
      .option('--ca-file <pem>', 'certificates that the puller trusts besides the public ones, of a registry of yours')
      .option('--plain-http', 'the puller speaks HTTP to every registry: for one without TLS, on a cluster for trials')
      .option('--pull-secret <name>', 'a Secret in the puller’s namespace with which its image is pulled', kubeName)
      .option(
        '--self-update <reference>',
        'and a Delivery by which the puller keeps all this up to date: host/path:channel',
      )
      .option('--crds-only', 'all but the Deployment and what goes with it: the puller runs by other means')
      .option('--identity <user>', 'with --crds-only: the user name that the puller’s requests come with')
    examples(
      command,
      'waybill install --image registry.example.com/acme/waybill@sha256:… | kubectl apply -f -',
      'waybill install --image … --guard --guard-group system:serviceaccounts:cert-manager | kubectl apply -f -',
      'waybill install --crds-only | kubectl apply --server-side -f -',
    )
  },
  run: async (_args, flags, context) => printObjects(installObjects(await optionsOf(flags, context))),
}

async function optionsOf(flags: Flags, context: Context): Promise<InstallOptions> {
  const namespace = flags.text('namespace') ?? flags.text('pullerNamespace')
  const common = {
    shared: flags.list('sharedWatch').map(parseSharedKind),
    attribution: flags.on('attribution'),
    ...(namespace === undefined ? {} : { namespace }),
    ...guardOf(flags),
  }
  const identity = flags.text('identity')
  const image = flags.text('image')
  const count = flags.number('replicas')
  const egressPorts = flags.list('egressPort').map(port)
  const serviceMonitor = flags.on('serviceMonitor')
  const [caFile, pullSecret, selfUpdate] = ['caFile', 'pullSecret', 'selfUpdate'].map((name) => flags.text(name))
  if (flags.on('crdsOnly')) {
    const ofPods = [image, count, egressPorts[0], caFile, pullSecret, selfUpdate]
    if (ofPods.some((one) => one !== undefined) || serviceMonitor || flags.on('plainHttp'))
      throw new WaybillError('USAGE', '--crds-only prints no Deployment, and nothing that goes with one', {
        hint: 'Leave out --crds-only, or what is about the Deployment: --image, --replicas, --self-update and so on.',
      })
    return { ...common, crdsOnly: true, ...(identity === undefined ? {} : { identity }) }
  }
  if (identity !== undefined)
    throw new WaybillError('USAGE', '--identity goes with --crds-only: the Deployment runs as its own service account')
  return {
    ...common,
    crdsOnly: false,
    image: imageOf(image, context),
    egressPorts,
    serviceMonitor,
    plainHttp: flags.on('plainHttp'),
    ...(count === undefined ? {} : { replicas: count }),
    ...(caFile === undefined ? {} : { ca: await readCertificates(context.cwd, caFile) }),
    ...(pullSecret === undefined ? {} : { pullSecret }),
    ...(selfUpdate === undefined ? {} : { selfUpdate }),
  }
}

/** A tag is taken, and warned of: whoever can move it says what runs with the puller's rights. */
function imageOf(text: string | undefined, { progress }: Context): string {
  if (text === undefined)
    throw new WaybillError('USAGE', '--image is needed: the Deployment runs an image of yours', {
      hint: 'Make one with `npm run image` and push it (docs/guides/image.md). Without a Deployment: --crds-only.',
    })
  const { tag, digest } = parseReference(text)
  if (digest === undefined && tag === undefined)
    throw new WaybillError('REFERENCE_INVALID', `"${text}" has neither digest nor tag`, {
      hint: 'Name the image by its digest: HOST/PATH@sha256:…',
    })
  if (digest === undefined)
    progress(`warning: ${text} is a tag, and may move: name the image by its digest, HOST/PATH@sha256:…`)
  return text
}

function guardOf(flags: Flags): Pick<InstallOptions, 'guard'> {
  const groups = flags.list('guardGroup')
  if (!flags.on('guard')) {
    if (groups.length > 0) throw new WaybillError('USAGE', '--guard-group goes with --guard')
    return {}
  }
  const everybody = groups.find((group) => /^system:(?:un)?authenticated$/.test(group))
  if (everybody !== undefined)
    throw new WaybillError('USAGE', `--guard-group ${everybody} lets everybody through`, {
      hint: 'Name a group of few, such as system:serviceaccounts:cert-manager.',
    })
  const odd = groups.find((group) => group.length > 253 || /[\p{Cc}\p{Cs}]/u.test(group))
  if (odd !== undefined) throw new WaybillError('USAGE', '--guard-group: a name of a group is needed')
  return { guard: { groups } }
}

/** For commander's `argParser`. */
function replicas(text: string): number {
  if (!/^[1-9]$/.test(text))
    throw new InvalidArgumentError('A number from 1 to 9 is needed. To stop the puller: kubectl scale --replicas=0.')
  return Number(text)
}

function port(text: string): number {
  const number = Number(text)
  if (/^[1-9][0-9]{0,4}$/.test(text) && number <= 65_535) return number
  throw new WaybillError('USAGE', `--egress-port ${text.slice(0, 32)}: a port from 1 to 65535 is needed`)
}
