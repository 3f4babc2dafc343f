import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { WaybillError } from '../../contract/errors.ts'
import { createShell } from './process.ts'
import { namespace } from './see.ts'
import type { World } from './world.ts'

/**
 * Refuses a cluster that holds something of the demo's names already: the demo would change it, and remove it at the
 * end. Throws USAGE.
 */
export async function refuseUsedCluster({ shell }: World): Promise<void> {
  const names = [
    `namespace/${namespace}`,
    'namespace/waybill-system',
    'customresourcedefinition/deliveries.waybill.dev',
  ]
  const found = await shell.quiet('kubectl', ['get', ...names, '--ignore-not-found', '-o', 'name'])
  if (found.trim() === '') return
  const hint = 'Use a cluster without these, or leave --kubeconfig out: the demo then brings up one of its own.'
  throw new WaybillError('USAGE', `the cluster already has ${found.trim().split('\n').join(', ')}`, { hint })
}

/** Removes from a given cluster what the demo made there. */
export async function cleanUpCluster({ env, narrator, directory }: World): Promise<void> {
  const shell = createShell(env, narrator)
  narrator.say('What the demo made in the cluster is removed.')
  const remove = (...args: readonly string[]) =>
    shell.quiet('kubectl', ['delete', '--ignore-not-found', '--wait', '--timeout=60s', ...args])
  for (const name of ['delivery.yaml', 'trust-policy.yaml', 'tenant.yaml', 'install.yaml']) {
    const file = join(directory, name)
    if (existsSync(file)) await remove('-f', file)
  }
}
