/**
 * Docker Hub has three names: images and people say docker.io, its API answers at registry-1.docker.io, and `docker login` keeps the login
 * under https://index.docker.io/v1/ (distribution/reference, docker/cli config).
 */
const HUB = 'docker.io'

/** Where a registry's API answers: `host[:port]`. */
export function apiHost(registry: string): string {
  return registry === HUB ? 'registry-1.docker.io' : registry
}

/** What a credential helper calls a registry. */
export function loginName(registry: string): string {
  return registry === HUB ? 'https://index.docker.io/v1/' : registry
}

/** True where a login kept for `host` is one to the registry. */
export function isLoginTo(host: string, registry: string): boolean {
  return host === registry || (registry === HUB && (host === 'index.docker.io' || host === apiHost(HUB)))
}
