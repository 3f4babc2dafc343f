import { homedir, hostname } from 'node:os'
import { join } from 'node:path'
import { InvalidArgumentError, Option } from 'commander'
import { destination, pino } from 'pino'
import { WaybillError } from '../../contract/errors.ts'
import { parseListenAddress } from '../../puller/http/listen-address.ts'
import { parseSharedKind } from '../../puller/install/shared-kinds.ts'
import { checkLeaseTimes, LEASE_TIMES } from '../../puller/leader/lease.ts'
import { type PullerOptions, runPuller } from '../../puller/puller.ts'
import { EXIT } from '../exit.ts'
import { clusterFlags, collect, durationMs, examples, type Flags, kubeName, pathFrom, positive } from '../flags.ts'
import { table } from '../output.ts'
import { proxyOf } from '../registry.ts'
import type { Context, Verb } from '../verb.ts'

export const verb: Verb = {
  stopsBySignal: true,
  define: (command) => {
    clusterFlags(command)
      .option('--service-account-dir <dir>', 'a mounted service account: token, ca.crt, namespace (default: the pod’s)')
      .option('--namespace <name>', 'the puller’s own namespace', kubeName, 'waybill-system')
      .option('--only-namespace <name>', 'deliver only these namespaces; may be given again', collect)
      .option('--cache-dir <dir>', 'where fetched artifacts are kept (default: $XDG_CACHE_HOME/waybill)')
      .option('--cache-size <size>', 'how much of that is kept: 500Mi, 2Gi (default: 10Gi)', sizeBytes)
      .option(
        '--shared-watch <kind>',
        'watch this kind everywhere as the puller, not as each account; may be given again',
        collect,
      )
      .option('--guard', 'say for which Delivery each request is, as `install --guard` asks for')
      .option('--once', 'reconcile every Delivery until it is settled, then end')
      .option('--plain-http', 'speak HTTP to every registry')
      .option('--wait-timeout <duration>', 'how long a release may take to become healthy (default: 5m)', durationMs)
      .option('--parallel <n>', 'Deliveries reconciled at a time (default: 8)', positive)
      .addOption(
        new Option(
          '--leader-elect [answer]',
          'of several replicas one works, the others stand by (default: true in a pod)',
        )
          .choices(['true', 'false'])
          .preset('true'),
      )
      .option('--leader-elect-lease-duration <duration>', 'a standby waits this long for a silent leader', durationMs)
      .option('--leader-elect-renew-deadline <duration>', 'a leader that cannot renew stops after this', durationMs)
      .option('--leader-elect-retry-period <duration>', 'between two renewals (defaults: 15s, 10s, 2s)', durationMs)
      .option(
        '--listen <address>',
        'serve /metrics, /healthz, /readyz there, such as :8080 (default: nowhere)',
        address,
      )
      .option('--hook-secret-file <file>', 'take in webhooks of registries at /hooks/<form> that know this secret')
      .option('--notify-anywhere', 'for trials: notifications also to http addresses and to this machine')
      .option('--log-level <level>', 'debug, info, warn or error', 'info')
    examples(
      command,
      'waybill puller                                 # in a pod, with its service account',
      'waybill puller --kubeconfig ~/.kube/config     # beside a cluster',
      'waybill puller --once --output json            # in a script: exit 1 when a Delivery is not ready',
    )
  },
  run: async (_args, flags, context) => {
    const { env, cwd } = context
    const kubeconfig = flags.text('kubeconfig')
    const kubeContext = flags.text('context')
    const waitTimeoutMs = flags.number('waitTimeout')
    const parallel = flags.number('parallel')
    const onlyNamespaces = flags.list('onlyNamespace')
    const cacheDir = flags.text('cacheDir')
    const cacheBytesMax = flags.number('cacheSize')
    const { deliveries } = await runPuller({
      namespace: flags.need('namespace'),
      cacheDir: cacheDir === undefined ? defaultCache(env) : pathFrom(cwd, cacheDir),
      plainHttp: flags.on('plainHttp'),
      once: flags.on('once'),
      guard: flags.on('guard'),
      sharedWatch: flags.list('sharedWatch').map(parseSharedKind),
      proxy: proxyOf(env),
      signal: context.signal,
      notifyAnywhere: flags.on('notifyAnywhere'),
      ...frontOf(flags, cwd),
      log: pino({ level: flags.need('logLevel') }, destination({ dest: 2, sync: true })),
      ...(kubeconfig === undefined ? {} : { kubeconfig: pathFrom(cwd, kubeconfig) }),
      ...(kubeContext === undefined ? {} : { context: kubeContext }),
      ...mounted(flags, context),
      ...elected(flags, context),
      ...(waitTimeoutMs === undefined ? {} : { waitTimeoutMs }),
      ...(parallel === undefined ? {} : { parallel }),
      ...(cacheBytesMax === undefined ? {} : { cacheBytesMax }),
      ...(onlyNamespaces.length === 0 ? {} : { onlyNamespaces }),
    })
    const rows = deliveries.map((row) => [
      row.namespace,
      row.name,
      row.ready ? 'True' : 'False',
      row.reason,
      row.message,
    ])
    const settled = !flags.on('once') || deliveries.every(({ ready }) => ready)
    return {
      data: { deliveries },
      text: rows.length === 0 ? '' : table(['NAMESPACE', 'NAME', 'READY', 'REASON', 'MESSAGE'], rows),
      exit: settled ? EXIT.done : EXIT.failed,
    }
  },
}

/** For commander's `argParser`. */
function address(text: string): string {
  if (parseListenAddress(text) !== undefined) return text
  throw new InvalidArgumentError('An address such as :8080 or 127.0.0.1:8080 is needed.')
}

/** As Kubernetes writes it. For commander's `argParser`. */
function sizeBytes(text: string): number {
  const [, number, unit] = /^([1-9][0-9]{0,5})(Mi|Gi)$/.exec(text) ?? []
  if (number === undefined) throw new InvalidArgumentError('A size such as 500Mi or 2Gi is needed.')
  return Number(number) * 1024 ** (unit === 'Gi' ? 3 : 2)
}

function frontOf(flags: Flags, cwd: string) {
  const listen = parseListenAddress(flags.text('listen') ?? '')
  const file = flags.text('hookSecretFile')
  if (file !== undefined && listen === undefined)
    throw new WaybillError('USAGE', '--hook-secret-file goes with --listen')
  return {
    ...(listen === undefined ? {} : { listen }),
    ...(file === undefined ? {} : { hookSecretFile: pathFrom(cwd, file) }),
  }
}

/** In a pod, Kubernetes says by these two variables where its API server is. */
function mounted(flags: Flags, { env, cwd }: Context) {
  const directory = flags.text('serviceAccountDir')
  if (directory === undefined) return {}
  if (flags.text('kubeconfig') !== undefined || flags.text('context') !== undefined)
    throw new WaybillError('USAGE', '--service-account-dir goes with neither --kubeconfig nor --context')
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = env
  if (!host || !port)
    throw new WaybillError('CLUSTER_CONFIG', 'KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set')
  return { serviceAccount: { directory: pathFrom(cwd, directory), host, port } }
}

/** In a pod, unless it is told otherwise; elsewhere, where it is asked for. */
function elected(flags: Flags, { env }: Context): Pick<PullerOptions, 'leaderElection'> {
  const answer = flags.text('leaderElect')
  const own = ['kubeconfig', 'context'].some((name) => flags.text(name) !== undefined) || Boolean(env.KUBECONFIG)
  const inPod = Boolean(env.KUBERNETES_SERVICE_HOST) && !own
  if (flags.on('once')) {
    if (answer === 'true') throw new WaybillError('USAGE', '--once and --leader-elect do not go together')
    return {}
  }
  if (answer === 'false' || (answer === undefined && !inPod)) return {}
  const times = checkLeaseTimes({
    leaseMs: flags.number('leaderElectLeaseDuration') ?? LEASE_TIMES.leaseMs,
    renewDeadlineMs: flags.number('leaderElectRenewDeadline') ?? LEASE_TIMES.renewDeadlineMs,
    retryMs: flags.number('leaderElectRetryPeriod') ?? LEASE_TIMES.retryMs,
  })
  return { leaderElection: { host: hostname(), times } }
}

function defaultCache(env: Readonly<Record<string, string | undefined>>): string {
  return join(env.XDG_CACHE_HOME ?? join(env.HOME ?? homedir(), '.cache'), 'waybill')
}
