import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { field } from '../../test/real/cluster.ts'
import { type Service, startService } from '../../test/real/process.ts'
import type { World } from './world.ts'

const account = 'waybill-puller'
export const pullerNamespace = 'waybill-system'

/** The puller as a process of its own on this machine, with the rights of its service account and no others. */
export type DemoPuller = {
  readonly start: () => Promise<void>
  readonly stop: () => Promise<void>
  /** Throws with the end of its log when it is not running. */
  readonly check: () => void
  readonly logTail: () => string
}

/** Prepares the puller: a kubeconfig with a token of the service account that `waybill install` made. */
export async function createPuller(world: World): Promise<DemoPuller> {
  const { shell, directory } = world
  const kubeconfig = join(directory, 'puller.kubeconfig')
  const token = await shell.quiet('kubectl', ['create', 'token', account, '-n', pullerNamespace, '--duration=8h'])
  const admin: unknown = JSON.parse(
    await shell.quiet('kubectl', ['config', 'view', '--raw', '--minify', '--flatten', '-o', 'json']),
  )
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'demo', cluster: field(admin, 'clusters', 0, 'cluster') }],
    users: [{ name: account, user: { token: token.trim() } }],
    contexts: [{ name: 'demo', context: { cluster: 'demo', user: account, namespace: pullerNamespace } }],
    'current-context': 'demo',
  }
  writeFileSync(kubeconfig, JSON.stringify(config), { mode: 0o600 })
  const log = join(directory, 'puller.log')
  const args = [
    'puller',
    '--kubeconfig',
    kubeconfig,
    '--cache-dir',
    join(directory, 'puller-cache'),
    ...world.registryFlags,
  ]
  let service: Service | undefined
  const logTail = () => readFileSync(log, 'utf8').trimEnd().split('\n').slice(-20).join('\n')
  return {
    logTail,
    start: async () => {
      const script = join(import.meta.dirname, '..', '..', 'cli', 'waybill.js')
      const env = { ...world.env, KUBECONFIG: '', ...world.registry.pullerEnv() }
      service = await startService({ command: process.execPath, args: [script, ...args], log, env })
    },
    stop: async () => {
      await service?.kill('SIGTERM')
      service = undefined
    },
    check: () => {
      const end = service?.ended()
      if (end !== undefined) throw new Error(`the puller ended: ${end}\n${logTail()}`)
    },
  }
}
