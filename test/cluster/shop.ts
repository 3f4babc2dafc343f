import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { commitAll, git, tempFolder } from '../packager/repository.ts'
import type { Site } from './site.ts'

const EXAMPLE = join(import.meta.dirname, '../../examples/shop')
const OVERLAY = 'deploy/overlays/production/kustomization.yaml'

/** The repository of examples/shop, with real containers and probes in it. */
export type Shop = {
  readonly folder: string
  readonly repository: string
  /** Publishes HEAD as this version, into channel production. */
  publish(version: string): Promise<string>
  /** Commits the shop with this image for `api` or `web`. */
  use(name: 'api' | 'web', image: string): void
  /** Commits other settings. */
  greet(greeting: string): void
}

export function shopRepository(site: Site, image: string, path = 'acme/shop'): Shop {
  const folder = tempFolder()
  const repository = `${site.node.registry}/${path}`
  cpSync(EXAMPLE, folder, { recursive: true })
  git(folder, 'init', '-q', '-b', 'main')
  edit(folder, 'waybill.yaml', (text) => text.replace('registry.example.com/acme/shop', repository))
  const use = (name: 'api' | 'web', image: string) =>
    edit(folder, `deploy/base/${name}.yaml`, (text) => text.replace(/image: \S+/, `image: ${image}`))
  use('api', image)
  use('web', image)
  edit(folder, OVERLAY, (text) => text.replace('patches:\n', `patches:\n${PROBES}`))
  commitAll(folder, 'Open the shop')
  return {
    folder,
    repository,
    publish: (version) => publish(site, folder, version),
    use: (name, image) => {
      use(name, image)
      commitAll(folder, `Use another image for ${name}`)
    },
    greet: (greeting) => {
      edit(folder, 'deploy/overlays/production/greeting.yaml', (text) =>
        text.replace(/greeting: .*/, `greeting: ${greeting}`),
      )
      commitAll(folder, 'Greet otherwise')
    },
  }
}

/** Publishes HEAD of a repository as this version, into channel production; the artifact's digest. */
export async function publish(site: Site, folder: string, version: string): Promise<string> {
  const args = [
    '--repo',
    folder,
    '--key',
    site.key,
    '--version',
    version,
    '--channel',
    'production',
    '--ca-file',
    site.node.registryCa,
  ]
  const told: unknown = JSON.parse(await site.waybill('publish', ...args, '--output', 'json'))
  return String(Reflect.get(Object(told), 'digest'))
}

function edit(folder: string, file: string, change: (text: string) => string): void {
  const path = join(folder, file)
  const before = readFileSync(path, 'utf8')
  const after = change(before)
  if (after === before) throw new Error(`${file} is not what this test takes it for`)
  writeFileSync(path, after)
}

const PROBES = `  - target: { kind: Deployment }
    patch: |
      - op: add
        path: /spec/template/spec/containers/0/readinessProbe
        value: { httpGet: { path: /, port: http }, periodSeconds: 1 }
`
