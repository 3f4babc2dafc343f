/** When a version of a kind is deprecated and removed (minors: 1.16), and what takes its place. */
export type Lifecycle = {
  readonly apiVersion: string
  readonly kind: string
  readonly deprecated: string
  readonly removed?: string
  readonly successor?: { readonly apiVersion: string; readonly kind: string }
}

/** What is deprecated in the words of k8s.io/api alone. */
export const IN_WORDS: readonly Lifecycle[] = [
  {
    apiVersion: 'v1',
    kind: 'Endpoints',
    deprecated: '1.33',
    successor: { apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice' },
  },
]

/** The deprecations of one package's `zz_generated.prerelease-lifecycle.go`; lists are left out. */
export function lifecyclesOf(group: string, version: string, go: string): readonly Lifecycle[] {
  const apiVersion = apiVersionOf(group, version)
  const told = new Map<string, Record<string, string>>()
  for (const [, kind = '', what = '', said = ''] of go.matchAll(
    /func \(in \*(\w+)\) APILifecycle(\w+)\(\)[^{]*\{\n\treturn (.*)\n\}/g,
  ))
    told.set(kind, { ...told.get(kind), [what]: said })
  return [...told].flatMap(([kind, { Deprecated, Removed, Replacement }]) =>
    Deprecated === undefined || kind.endsWith('List')
      ? []
      : [
          {
            apiVersion,
            kind,
            deprecated: minorOf(Deprecated),
            ...(Removed === undefined ? {} : { removed: minorOf(Removed) }),
            ...(Replacement === undefined ? {} : { successor: successorOf(Replacement) }),
          },
        ],
  )
}

/** The API group of a Go package, from `// +groupName=` or `const GroupName`. */
export function groupNameOf(doc: string, register: string): string {
  const group = /^\/\/ \+groupName=(.*)$/m.exec(doc)?.[1] ?? /GroupName += "(.*)"/.exec(register)?.[1]
  if (group === undefined) throw new Error('a package that names no API group')
  return group.trim()
}

function apiVersionOf(group: string, version: string): string {
  return group === '' ? version : `${group}/${version}`
}

function minorOf(said: string): string {
  const [, major, minor] = /^(\d+), (\d+)$/.exec(said) ?? []
  if (major === undefined) throw new Error(`no release: ${said}`)
  return `${major}.${minor}`
}

function successorOf(said: string): { readonly apiVersion: string; readonly kind: string } {
  const [, group, version, kind] = /Group: "(.*)", Version: "(.*)", Kind: "(.*)"\}/.exec(said) ?? []
  if (group === undefined || version === undefined || kind === undefined) throw new Error(`no kind: ${said}`)
  return { apiVersion: apiVersionOf(group, version), kind }
}
