import { type CelMap, Unknown } from '../../contract/cel/values.ts'
import type { MatchResources, Rule } from './policy-schema.ts'
import type { Resource } from './resources.ts'
import { allOf, isEmpty, selects } from './selector.ts'

/** What a policy's rules are asked about: one object that is created. */
export type Candidate = {
  readonly group: string
  readonly version: string
  /** Undefined for a kind whose CRD is not known. */
  readonly resource: Resource | undefined
  readonly kind: string
  readonly name: string
  readonly labels: CelMap
  /** Of its namespace, or its own for a Namespace; undefined for what stands in none. */
  readonly namespaceLabels: CelMap | undefined
}

/** `converted` where the API server would turn the object into another version first. */
export type Matched = boolean | Unknown | { readonly converted: string }

/** apiserver v0.36, admission/plugin/policy/matching: what applies to the create of an object. */
export function matches(match: MatchResources, candidate: Candidate): Matched {
  const { namespaceSelector = {}, objectSelector = {}, resourceRules = [], excludeResourceRules = [] } = match
  const selected = allOf([
    candidate.namespaceLabels === undefined || isEmpty(namespaceSelector)
      ? true
      : selects(namespaceSelector, candidate.namespaceLabels),
    selects(objectSelector, candidate.labels),
  ])
  if (selected === false) return false
  const policy = match.matchPolicy ?? 'Equivalent'
  const excluded = matchesRules(excludeResourceRules, policy, candidate)
  if (excluded === true || (typeof excluded === 'object' && 'converted' in excluded)) return false
  const ruled = resourceRules.length === 0 ? true : matchesRules(resourceRules, policy, candidate)
  if (ruled === false) return false
  if (selected instanceof Unknown) return selected
  return excluded instanceof Unknown ? excluded : ruled
}

function matchesRules(rules: readonly Rule[], policy: 'Exact' | 'Equivalent', candidate: Candidate): Matched {
  const exact = rules.map((rule) => matchesRule(rule, candidate, candidate))
  if (exact.includes(true)) return true
  if (policy === 'Equivalent')
    for (const other of candidate.resource?.equivalents ?? [])
      if (rules.some((rule) => matchesRule(rule, other, candidate) === true))
        return { converted: other.group === '' ? other.version : `${other.group}/${other.version}` }
  return exact.find((one) => one instanceof Unknown) ?? false
}

function matchesRule(
  rule: Rule,
  { group, version }: { readonly group: string; readonly version: string },
  { resource, kind, name }: Candidate,
): boolean | Unknown {
  const { operations, apiGroups, apiVersions, resources, resourceNames = [], scope = '*' } = rule
  const has = (list: readonly string[], wanted: string) => list.includes('*') || list.includes(wanted)
  const certain =
    has(operations, 'CREATE') && has(apiGroups, group) && (resourceNames.length === 0 || resourceNames.includes(name))
  if (!certain) return false
  // A subresource is another request.
  const named = resources.map((text) => text.split('/')).filter(([, sub = '']) => sub === '' || sub === '*')
  if (resource !== undefined) {
    const inScope = scope === '*' || (scope === 'Namespaced') === resource.namespaced
    return inScope && has(apiVersions, version) && named.some(([text]) => text === '*' || text === resource.resource)
  }
  if (named.length === 0) return false
  const unknown = new Unknown(`which resource ${kind} is: its CRD is not in the package`)
  const sure = scope === '*' && has(apiVersions, version) && named.some(([text]) => text === '*')
  // In another version it may be matched as an equivalent.
  return sure || unknown
}
