import { MEDIA } from '../../contract/artifact/artifact.ts'
import { digestOf } from '../../contract/digest.ts'
import { WaybillError } from '../../contract/errors.ts'
import type { Reference } from '../../contract/reference.ts'
import type { RegistryWriter } from '../../packager/publish/registry-writer.ts'

/** Writes to the fake registry in this process, where unit tests have no `oras`. Plain HTTP, no logins. */
export function httpWriter(): RegistryWriter {
  const put = async (repository: Reference, path: string, bytes: Uint8Array, mediaType: string) => {
    const url = `http://${repository.registry}/v2/${repository.path}/${path}`
    const answer = await fetch(url, {
      method: 'PUT',
      body: Buffer.from(bytes),
      headers: { 'content-type': mediaType },
    }).catch((cause: unknown) => {
      throw new WaybillError('REGISTRY_UNREACHABLE', url, { cause })
    })
    await answer.arrayBuffer()
    if (!answer.ok) throw new WaybillError('REGISTRY_FAILED', `${url}: ${answer.status}`)
    return digestOf(bytes)
  }
  return {
    pushBlob: (repository, bytes, mediaType) =>
      put(repository, `blobs/uploads/new?digest=${digestOf(bytes)}`, bytes, mediaType),
    pushManifest: (repository, bytes, mediaType) => put(repository, `manifests/${digestOf(bytes)}`, bytes, mediaType),
    tag: async (repository, digest, tag) => {
      const answer = await fetch(`http://${repository.registry}/v2/${repository.path}/manifests/${digest}`)
      if (!answer.ok) throw new WaybillError('REGISTRY_NOT_FOUND', `${digest}: ${answer.status}`)
      await put(repository, `manifests/${tag}`, Buffer.from(await answer.arrayBuffer()), MEDIA.manifest)
    },
  }
}
