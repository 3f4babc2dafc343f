import { WaybillError } from '../../contract/errors.ts'
import { attributionObjects } from '../../puller/install/attribution.ts'
import { installObjects } from '../../puller/install/install.ts'
import { parseSharedKind } from '../../puller/install/shared-kinds.ts'
import { collect, examples, kubeName } from '../flags.ts'
import { printObjects } from '../objects.ts'
import type { Verb } from '../verb.ts'

export const verb: Verb = {
  define: (command) => {
    command
      .option('--crds-only', 'the kinds, the puller’s RBAC and the admission policy that guards the records')
      .option('--attribution', 'instead: a policy that notes on delivered objects who changed them (Kubernetes 1.36)')
      .option('--puller-namespace <name>', 'the puller’s own namespace', kubeName, 'waybill-system')
      .option(
        '--shared-watch <kind>',
        'the puller may watch this kind everywhere: Deployment.apps; may be given again',
        collect,
      )
      .option('--identity <user>', 'the user name that the puller’s requests come with (default: its service account)')
    examples(
      command,
      'waybill install --crds-only | kubectl apply --server-side -f -',
      'waybill install --attribution | kubectl apply --server-side -f -',
    )
  },
  run: async (_args, flags) => {
    if (flags.on('attribution') && flags.on('crdsOnly'))
      throw new WaybillError('USAGE', '--attribution prints nothing else: run it by itself')
    if (flags.on('attribution')) return printObjects(attributionObjects())
    if (!flags.on('crdsOnly'))
      throw new WaybillError('FIELD_UNSUPPORTED', 'install without --crds-only is not built yet', {
        hint: 'Use --crds-only, and run the puller beside the cluster: waybill puller --kubeconfig FILE.',
      })
    const identity = flags.text('identity')
    return printObjects(
      installObjects({
        crdsOnly: true,
        namespace: flags.need('pullerNamespace'),
        shared: flags.list('sharedWatch').map(parseSharedKind),
        ...(identity === undefined ? {} : { identity }),
      }),
    )
  },
}
