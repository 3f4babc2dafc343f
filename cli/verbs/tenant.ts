import { InvalidArgumentError } from 'commander'
import { WaybillError } from '../../contract/errors.ts'
import { deliveryName, deliveryObject } from '../../puller/install/delivery.ts'
import { tenantObjects } from '../../puller/install/tenant.ts'
import { collect, examples, kubeName } from '../flags.ts'
import { printObjects } from '../objects.ts'
import type { Verb } from '../verb.ts'

export const verb: Verb = {
  define: (command) => {
    command
      .argument('<name>', 'the namespace', kubeName)
      .option('--account <name>', 'the service account that Deliveries there act as', accountName, 'waybill')
      .option('--puller-namespace <name>', 'the puller’s own namespace', kubeName, 'waybill-system')
      .option('--identity <user>', 'the user name that the puller’s requests come with (default: its service account)')
      .option('--api-group <group>', 'custom kinds that the tenant may use; may be given again', collect)
      .option('--deliver <reference>', 'a Delivery of this channel too: host/path:channel; may be given again', collect)
    examples(
      command,
      'waybill tenant shop | kubectl apply --server-side -f -',
      'waybill tenant shop --deliver registry.example.com/acme/shop:production | kubectl apply --server-side -f -',
    )
  },
  run: async ([name = ''], flags) => {
    const identity = flags.text('identity')
    const account = flags.need('account')
    const deliveries = flags
      .list('deliver')
      .map((followed) => deliveryObject({ name: deliveryName(followed), namespace: name, account, followed }))
    return printObjects([
      ...tenantObjects({
        name,
        account,
        pullerNamespace: flags.need('pullerNamespace'),
        apiGroups: flags.list('apiGroup').map(apiGroup),
        ...(identity === undefined ? {} : { identity }),
      }),
      ...deliveries,
    ])
  },
}

const SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/

/** For commander's `argParser`. */
function accountName(text: string): string {
  if (text.length <= 200 && SUBDOMAIN.test(text)) return text
  throw new InvalidArgumentError('Lower-case letters, digits, hyphens and dots are needed.')
}

/** Custom kinds are in groups with a dot. Neither `*` nor the built-in groups: what tenants get of those is listed, kind by kind. */
function apiGroup(text: string): string {
  if (text.length <= 253 && text.includes('.') && SUBDOMAIN.test(text)) return text
  throw new WaybillError('USAGE', `--api-group ${text.slice(0, 64)}: a group of custom kinds is needed`, {
    hint: 'Such as cert-manager.io; `kubectl api-resources` lists them.',
  })
}
