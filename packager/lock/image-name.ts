import { WaybillError } from '../../contract/errors.ts'
import { parseReference, type Reference } from '../../contract/reference.ts'

/** An image as a container runtime understands it: registry and tag are always there. */
export type ImageName = {
  /** `docker.io/library/nginx:1.27`: what waybill.lock calls it. */
  readonly name: string
  readonly reference: Reference
  readonly tag: string
}

/**
 * Reads an image without a digest the way containerd and Docker do (distribution/reference, ParseNormalizedNamed): without a
 * registry it is docker.io, without a path there `library/`, without a tag `latest`.
 * @throws WaybillError REFERENCE_INVALID
 */
export function parseImageName(image: string): ImageName {
  const reference = parseReference(withRegistry(image))
  if (reference.digest !== undefined)
    throw new WaybillError('REFERENCE_INVALID', `"${image.slice(0, 200)}": an image without a digest is needed here`)
  const tag = reference.tag ?? 'latest'
  return { name: `${reference.repository}:${tag}`, reference, tag }
}

function withRegistry(image: string): string {
  const slash = image.indexOf('/')
  const first = slash < 0 ? '' : image.slice(0, slash)
  if (first === 'docker.io' || first === 'index.docker.io') return onDockerHub(image.slice(slash + 1))
  const isHost = first.includes('.') || first.includes(':') || first === 'localhost'
  return isHost ? image : onDockerHub(image)
}

function onDockerHub(path: string): string {
  return `docker.io/${path.includes('/') ? path : `library/${path}`}`
}
