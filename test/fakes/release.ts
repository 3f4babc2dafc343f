import { type ReleaseConfig, treeDigest, writeConfig, writeManifest } from '../../contract/artifact/artifact.ts'
import { digestOf } from '../../contract/digest.ts'
import type { Publishable } from '../../packager/publish/publish.ts'

/** A release whose bytes follow from its arguments; its layer is no archive, which publishing never opens. */
export function makeRelease(repository: string, content = 'one'): Publishable {
  const sha256 = digestOf(content).slice('sha256:'.length)
  const objects = [
    { apiVersion: 'v1', kind: 'ConfigMap', namespace: 'shop', name: content, path: `${content}.json`, sha256 },
  ]
  const release: ReleaseConfig = {
    schemaVersion: 1,
    package: { name: repository.slice(repository.lastIndexOf('/') + 1), repository },
    source: {
      repository: 'https://git.example.com/acme/shop',
      revision: `sha1:${sha256.slice(0, 40)}`,
      committedAt: '2026-11-20T09:00:00Z',
    },
    kubernetes: { version: '1.36' },
    environments: { production: { treeDigest: treeDigest(objects), objects, images: [] } },
  }
  const config = writeConfig(release)
  const layer = Buffer.from(`layer of ${content}`)
  const manifest = writeManifest(release, config, layer)
  return { manifest, config, layer, digest: digestOf(manifest), release }
}
