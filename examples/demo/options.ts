import { parseArgs } from 'node:util'

/** What the demo was asked to use. What is left out it brings up itself, on this machine's loopback. */
export type DemoOptions = {
  readonly help: boolean
  /** Leave everything running at the end, until Ctrl-C. */
  readonly keep: boolean
  readonly kubeconfig?: string
  readonly registry?: GivenRegistry
}

/** A registry that is there already: `host[:port]` or `host[:port]/path`. */
export type GivenRegistry = { readonly place: string; readonly plainHttp: boolean }

export const HELP = `npm run demo [-- OPTIONS]

Takes a commit from a Git repository through a registry to a Kubernetes API server and back again, and shows each step.
By itself it brings up etcd, kube-apiserver, controllers, kwok and a registry on this machine, and takes them down again.

  --kubeconfig FILE   use this cluster; what the demo makes there is removed at the end
  --registry PLACE    use this registry: host[:port] or host[:port]/path; log in with oras login or docker login first
  --plain-http        speak HTTP to that registry
  --keep              leave everything running and print the kubeconfig; Ctrl-C ends it
  --help              this text
`

/** Parses the command line. Throws a TypeError that says what is wrong. */
export function parseDemoOptions(args: readonly string[]): DemoOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      kubeconfig: { type: 'string' },
      registry: { type: 'string' },
      'plain-http': { type: 'boolean', default: false },
      keep: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  const plainHttp = values['plain-http']
  if (plainHttp && values.registry === undefined) throw new TypeError('--plain-http goes with --registry')
  return {
    help: values.help,
    keep: values.keep,
    ...(values.kubeconfig === undefined ? {} : { kubeconfig: values.kubeconfig }),
    ...(values.registry === undefined ? {} : { registry: { place: values.registry, plainHttp } }),
  }
}
