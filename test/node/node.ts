import { readFileSync } from 'node:fs'
import { pathWith, type Tools } from '../../tools/build.ts'
import { eventually } from '../real/cluster.ts'
import { REGISTRY } from './addresses.ts'
import { auditLogOf, kubeconfigOf } from './control.ts'
import { type Ran, type RunOptions, runInNetwork } from './namespaces.ts'

/** How to reach a node that runs on this machine; plain data, so that one process can hand it to another as JSON. */
export type NodeAddress = {
  /** Pid 1 of its namespaces: `nsenter --net=/proc/PID/ns/net` leads into its network. */
  readonly pid: number
  /** Its logs and kubeconfigs. Removed when it stops. */
  readonly folder: string
  /** PEM file of the authority that signed the registry's certificate. */
  readonly registryCa: string
  readonly tools: Tools<'kubectl' | 'oras' | 'shop'>
}

/** What a web server in the node's network answered. */
export type WebAnswer = { readonly status: number; readonly body: string }

/** A node as a test uses it: one real Kubernetes with one real kubelet. Names are not resolved in it: there is no DNS. */
export type ClusterNode = NodeAddress & {
  /** Of an administrator. Its address means something only in the node's network. */
  readonly kubeconfig: string
  /** Of one of TEST_USERS, people without rights. */
  readonly userKubeconfig: (user: string) => string
  /** JSON lines, audit.k8s.io/v1 Event at level Metadata. */
  readonly auditLog: string
  /** `host:port` with TLS, reachable from the node's network, its pods and its containerd. */
  readonly registry: string
  /** kubectl as the administrator; its standard output. Throws with its standard error when it fails. */
  readonly kubectl: (args: readonly string[], options?: { readonly input?: string }) => Promise<string>
  /**
   * Runs a command of this machine in the node's network, with the administrator's KUBECONFIG, and kubectl and oras on the
   * PATH. Rejects only when the command cannot be started.
   */
  readonly run: (command: string, args: readonly string[], options?: RunOptions) => Promise<Ran>
  /** What a URL answers in the node's network, within 5 s. Throws when nobody answers. */
  readonly get: (url: string) => Promise<WebAnswer>
  /** Pushes an image (and what refers to it) from an OCI layout into the registry. Returns `host:port/REPOSITORY@sha256:…`. */
  readonly push: (layout: string, tag: string, repository: string) => Promise<string>
  /** Polls until `check` answers something other than undefined or false. Throws, naming `what`, after `waitMs` (30 s). */
  readonly eventually: typeof eventually
}

/** The node at an address. */
export function nodeAt(address: NodeAddress): ClusterNode {
  const { pid, folder, registryCa, tools } = address
  const kubeconfig = kubeconfigOf(folder, 'admin')
  const run: ClusterNode['run'] = (command, args, { env, ...options } = {}) => {
    const all = { ...process.env, KUBECONFIG: kubeconfig, PATH: pathWith(tools), ...env }
    return runInNetwork(pid, command, args, { ...options, env: all })
  }
  const must = async (command: string, args: readonly string[], options?: RunOptions): Promise<string> => {
    const { status, stdout, stderr } = await run(command, args, options)
    if (status === 0) return stdout
    throw new Error(`${command} ${args.join(' ')}: ${stderr.trim() || `status ${status}`}`)
  }
  const get: ClusterNode['get'] = async (url) =>
    parseAnswer(await must(process.execPath, ['-e', getScript, url], { env: { NODE_EXTRA_CA_CERTS: registryCa } }))
  const push: ClusterNode['push'] = async (layout, tag, repository) => {
    const from = `${layout}:${tag}`
    const to = `${REGISTRY}/${repository}`
    await must(tools.oras, ['copy', '-r', '--from-oci-layout', from, '--to-ca-file', registryCa, `${to}:${tag}`])
    return `${to}@${(await must(tools.oras, ['resolve', '--oci-layout', from])).trim()}`
  }
  return {
    ...address,
    kubeconfig,
    userKubeconfig: (user) => kubeconfigOf(folder, user),
    auditLog: auditLogOf(folder),
    registry: REGISTRY,
    kubectl: (args, options) => must(tools.kubectl, args, options),
    run,
    get,
    push,
    eventually,
  }
}

/** The node whose address is in a file that `startNode`'s process wrote. */
export function nodeFrom(path: string): ClusterNode {
  return nodeAt(parseAddress(readFileSync(path, 'utf8')))
}

const getScript = `const answer = await fetch(process.argv[1], { signal: AbortSignal.timeout(5000) })
process.stdout.write(JSON.stringify({ status: answer.status, body: await answer.text() }))`

function parseAnswer(text: string): WebAnswer {
  return JSON.parse(text) as WebAnswer
}

function parseAddress(text: string): NodeAddress {
  return JSON.parse(text) as NodeAddress
}
