/**
 * Where a repository is at home for its readers, out of the URL of a remote: `git@host:acme/shop.git` and
 * `ssh://git@host:22/acme/shop` are `https://host/acme/shop`. undefined for what is on this machine only.
 */
export function sourceOf(origin: string | undefined): string | undefined {
  if (origin === undefined) return undefined
  const address = /^https?:\/\/(?:[^/@]*@)?([^/?#]+)\/([^?#]+)/i.exec(origin)
  const ssh = /^(?:ssh|git\+ssh):\/\/(?:[^/@]*@)?([^/:]+)(?::\d+)?\/(.+)$/i.exec(origin)
  const scp = /^(?:[^/@:]+@)?([^/@:]+\.[^/@:]+):(?!\/\/)\/?(.+)$/.exec(origin)
  const [, host, path] = address ?? ssh ?? scp ?? []
  if (host === undefined || path === undefined) return undefined
  const scheme = /^http:/i.test(origin) ? 'http' : 'https'
  return `${scheme}://${host.toLowerCase()}/${path.replace(/\/+$/, '').replace(/\.git$/, '')}`
}

/** The repository that a forge keeps for a project in its own registry; undefined where that is not known. */
export function repositoryNear(source: string | undefined): string | undefined {
  const [, host, path] = /^https:\/\/([^/]+)\/(.+)$/.exec(source ?? '') ?? []
  if (host === 'github.com') return `ghcr.io/${path?.toLowerCase()}`
  if (host === 'gitlab.com') return `registry.gitlab.com/${path?.toLowerCase()}`
  return undefined
}
