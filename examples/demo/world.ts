import { copyFileSync, existsSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { proxyOf } from '../../cli/registry.ts'
import { WaybillError } from '../../contract/errors.ts'
import { parseRepository } from '../../contract/reference.ts'
import { loginCredentials } from '../../contract/registry/login.ts'
import { createRegistryReader } from '../../contract/registry/registry-client.ts'
import { startControlPlane } from '../../test/real/control-plane.ts'
import { freePort } from '../../test/real/ports.ts'
import { scratchDirectory } from '../../test/real/process.ts'
import { startRegistry } from '../../test/real/registry.ts'
import { ensureTools, pathWith, type ToolName } from '../../tools/build.ts'
import type { Progress } from '../../tools/progress.ts'
import type { Narrator } from './narrator.ts'
import type { DemoOptions, GivenRegistry } from './options.ts'
import { createShell, type Shell } from './process.ts'

/** Everything the story happens in. Processes and folders that the demo made go when this process goes. */
export type World = {
  readonly shell: Shell
  readonly narrator: Narrator
  /** An empty folder for keys and clones. */
  readonly directory: string
  readonly kubeconfig: string
  /** Whether the cluster was there before. */
  readonly clusterGiven: boolean
  /** Where the package's artifacts go: `host[:port]/path/shop`. */
  readonly artifacts: string
  /** `['--plain-http']` or nothing, for commands that talk to the registry. */
  readonly registryFlags: readonly string[]
  readonly registry: DemoRegistry
  readonly env: NodeJS.ProcessEnv
}

/** The registry, as far as the story turns it off and on. */
export type DemoRegistry = {
  /** What turning it off means, for the person who watches. */
  readonly offMeans: string
  readonly off: () => Promise<void>
  readonly on: () => Promise<void>
  /** What a puller's environment needs for the registry to be out of reach; empty while it is on. */
  readonly pullerEnv: () => NodeJS.ProcessEnv
}

const ownClusterTools = ['etcd', 'kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'kwok'] as const
const ownRegistryTools = ['registry', 'referrers'] as const

/** Checks what the demo needs, builds the tools that are missing, and brings up what was not given. */
export async function createWorld(options: DemoOptions, narrator: Narrator, progress: Progress): Promise<World> {
  const { kubeconfig: given, registry: givenRegistry } = options
  const names: readonly ToolName[] = [
    'oras',
    'kubectl',
    'kustomize',
    'helm',
    ...(given === undefined ? ownClusterTools : []),
    ...(givenRegistry === undefined ? ownRegistryTools : []),
  ]
  await requireGit(narrator)
  if (givenRegistry !== undefined) await reachRegistry(givenRegistry)
  const tools = await ensureTools(names, { progress })
  const directory = scratchDirectory('demo')
  const kubeconfig = join(directory, 'kubeconfig')
  if (given === undefined) await bringUpCluster(kubeconfig, narrator, progress)
  else await reachCluster(resolve(given), kubeconfig, createShell({ ...process.env, PATH: pathWith(tools) }, narrator))
  const { host, registry } = await registryFor(givenRegistry, narrator, progress)
  const plainHttp = givenRegistry?.plainHttp ?? true
  const env = { ...process.env, PATH: pathWith(tools), KUBECONFIG: kubeconfig }
  return {
    narrator,
    shell: createShell(env, narrator),
    directory,
    kubeconfig,
    clusterGiven: given !== undefined,
    artifacts: `${host}/shop`,
    registryFlags: plainHttp ? ['--plain-http'] : [],
    registry,
    env,
  }
}

async function requireGit(narrator: Narrator): Promise<void> {
  const shell = createShell(process.env, narrator)
  await shell.quiet('git', ['--version']).catch((cause: unknown) => {
    const hint = 'Install Git with your package manager, and run the demo again.'
    throw new WaybillError('TOOL_MISSING', 'the demo makes a Git repository, and there is no git on the PATH', {
      cause,
      hint,
    })
  })
}

/** Writes a self-contained copy of a given kubeconfig. Throws CLUSTER_CONFIG or CLUSTER_UNREACHABLE with kubectl's words. */
async function reachCluster(given: string, kubeconfig: string, shell: Shell): Promise<void> {
  const explain = (code: 'CLUSTER_CONFIG' | 'CLUSTER_UNREACHABLE') => (cause: unknown) => {
    const words = cause instanceof Error ? cause.message.split('\n').slice(1).join(' ') : String(cause)
    throw new WaybillError(code, `the cluster of ${given}: ${words}`, { cause })
  }
  if (!existsSync(given)) throw new WaybillError('CLUSTER_CONFIG', `there is no kubeconfig ${given}`)
  const view = ['config', 'view', '--raw', '--minify', '--flatten', '-o', 'json', '--kubeconfig', given]
  writeFileSync(kubeconfig, await shell.quiet('kubectl', view).catch(explain('CLUSTER_CONFIG')), { mode: 0o600 })
  const ask = ['get', '--raw', '/version', '--request-timeout=10s', '--kubeconfig', kubeconfig]
  await shell.quiet('kubectl', ask).catch(explain('CLUSTER_UNREACHABLE'))
}

/** Asks a given registry for a tag. Throws REGISTRY_* and REFERENCE_INVALID; that there is no such tag is an answer. */
async function reachRegistry({ place, plainHttp }: GivenRegistry): Promise<void> {
  const { env } = process
  const repository = parseRepository(`${repositoryIn(place)}/shop`)
  const credentials = loginCredentials({ dockerConfigDir: env.DOCKER_CONFIG ?? join(homedir(), '.docker'), env })
  const reader = createRegistryReader({ plainHttp, credentials, proxy: proxyOf(env) })
  try {
    await reader.resolveTag(repository, 'production')
  } catch (error) {
    if (!(error instanceof WaybillError) || error.code !== 'REGISTRY_NOT_FOUND') throw error
  } finally {
    await reader.close()
  }
}

function repositoryIn(place: string): string {
  return place.includes('/') ? place : `${place}/waybill-demo`
}

async function bringUpCluster(kubeconfig: string, narrator: Narrator, progress: Progress): Promise<void> {
  const started = Date.now()
  const cluster = await startControlPlane({ progress })
  copyFileSync(cluster.kubeconfig, kubeconfig)
  const took = ((Date.now() - started) / 1000).toFixed(1)
  narrator.say(`etcd, kube-apiserver, controllers, scheduler and kwok run at ${cluster.server} (${took} s)`)
}

type Reached = { readonly host: string; readonly registry: DemoRegistry }

async function registryFor(given: GivenRegistry | undefined, narrator: Narrator, progress: Progress): Promise<Reached> {
  if (given !== undefined) {
    narrator.say(`the registry is ${given.place}`)
    return {
      host: repositoryIn(given.place),
      registry: await unreachable(),
    }
  }
  const own = await startRegistry({ kind: 'distribution', progress })
  narrator.say(`a registry runs at ${own.host}`)
  const registry = { offMeans: 'The registry is stopped.', off: own.stop, on: own.start, pullerEnv: () => ({}) }
  return { host: `${own.host}/acme`, registry }
}

/** A registry that is not ours to stop: the puller is sent through a proxy that nobody listens on. */
async function unreachable(): Promise<DemoRegistry> {
  const nobody = `http://127.0.0.1:${await freePort()}`
  const proxied = {
    http_proxy: nobody,
    https_proxy: nobody,
    HTTP_PROXY: nobody,
    HTTPS_PROXY: nobody,
    no_proxy: '',
    NO_PROXY: '',
  }
  let on = true
  return {
    offMeans: 'The registry is out of the puller’s reach.',
    off: async () => {
      on = false
    },
    on: async () => {
      on = true
    },
    pullerEnv: () => (on ? {} : proxied),
  }
}
