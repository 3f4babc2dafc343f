import { WaybillError } from '../../contract/errors.ts'
import { installObjects } from '../../puller/install/install.ts'
import { examples, kubeName } from '../flags.ts'
import { printObjects } from '../objects.ts'
import type { Verb } from '../verb.ts'

export const verb: Verb = {
  define: (command) => {
    command
      .option('--crds-only', 'the kinds, the puller’s RBAC and the admission policy that guards the records')
      .option('--puller-namespace <name>', 'the puller’s own namespace', kubeName, 'waybill-system')
      .option('--identity <user>', 'the user name that the puller’s requests come with (default: its service account)')
    examples(command, 'waybill install --crds-only | kubectl apply --server-side -f -')
  },
  run: async (_args, flags) => {
    if (!flags.on('crdsOnly'))
      throw new WaybillError('FIELD_UNSUPPORTED', 'install without --crds-only is not built yet', {
        hint: 'Use --crds-only, and run the puller beside the cluster: waybill puller --kubeconfig FILE.',
      })
    const identity = flags.text('identity')
    return printObjects(
      installObjects({
        crdsOnly: true,
        namespace: flags.need('pullerNamespace'),
        ...(identity === undefined ? {} : { identity }),
      }),
    )
  },
}
