/** Pure: what a request to the API server was, in words that many requests share. */

export type ApiCall = { readonly verb: string; readonly resource: string; readonly dryRun: 'true' | 'false' }

/**
 * `/apis/apps/v1/namespaces/shop/deployments/api/status?dryRun=All` → patch, `deployments.apps/status`, true. What is no object of the API,
 * such as discovery, is `other`.
 */
export function apiCall(method: string, pathAndQuery: string): ApiCall {
  const [path = '', search = ''] = pathAndQuery.split('?')
  const query = new URLSearchParams(search)
  const dryRun = query.get('dryRun') === 'All' ? 'true' : 'false'
  const place = placeOf(path)
  if (place === undefined) return { verb: method.toLowerCase(), resource: 'other', dryRun }
  const { group, plural, name, subresource } = place
  const resource = `${plural}${group === '' ? '' : `.${group}`}${subresource === undefined ? '' : `/${subresource}`}`
  return { verb: verbOf(method, name !== undefined, query.has('watch')), resource, dryRun }
}

function verbOf(method: string, named: boolean, watches: boolean): string {
  if (watches) return 'watch'
  if (method === 'GET') return named ? 'get' : 'list'
  return { POST: 'create', PUT: 'update', PATCH: 'patch', DELETE: 'delete' }[method] ?? 'other'
}

type Place = {
  readonly group: string
  readonly plural: string
  readonly name: string | undefined
  readonly subresource: string | undefined
}

function placeOf(path: string): Place | undefined {
  const [root, ...rest] = path.split('/').filter((part) => part !== '')
  const [group, after] = root === 'api' ? ['', rest.slice(1)] : [rest[0] ?? '', rest.slice(2)]
  if (root !== 'api' && root !== 'apis') return undefined
  // A namespace is itself an object; anything after its name lies in it.
  const inside = after[0] === 'namespaces' && after.length > 2 ? after.slice(2) : after
  const [plural, name, subresource] = inside
  return plural === undefined ? undefined : { group, plural, name, subresource }
}

/** Lets the first `max` words through, and says `other` of all that come after. */
export function boundedWords(max: number): (word: string) => string {
  const known = new Set<string>()
  return (word) => {
    if (known.has(word)) return word
    if (known.size >= max) return 'other'
    known.add(word)
    return word
  }
}
