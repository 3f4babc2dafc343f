import { isJsonObject } from '../../contract/canonical-json.ts'
import type { Fault } from '../../contract/errors.ts'
import { LIMITS } from '../../contract/limits.ts'
import { type FieldPath, faultAt, type RenderedObject } from '../render/rendered.ts'

/** apiVersion, kind and metadata.name are there, and are what a path and a config can hold. */
export function checkIdentity(objects: readonly RenderedObject[]): readonly Fault[] {
  return objects.flatMap((object) => [...checkType(object), ...checkMetadata(object)])
}

const API_VERSION = /^(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?\/)?[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/
const KIND = /^[A-Za-z](?:[A-Za-z0-9-]*[A-Za-z0-9])?$/
const LABEL = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/

function checkType(rendered: RenderedObject): readonly Fault[] {
  const { apiVersion, kind } = rendered.object
  const faults: Fault[] = []
  if (typeof apiVersion !== 'string' || apiVersion.length > 317 || !API_VERSION.test(apiVersion))
    faults.push(
      malformed(
        rendered,
        apiVersion === undefined ? 'apiVersion is missing' : 'apiVersion is not of the form group/version',
        ['apiVersion'],
      ),
    )
  if (typeof kind !== 'string' || kind.length > 63 || !KIND.test(kind))
    faults.push(
      malformed(rendered, kind === undefined ? 'kind is missing' : 'kind is not the name of a kind', ['kind']),
    )
  return faults
}

function checkMetadata(rendered: RenderedObject): readonly Fault[] {
  const { metadata } = rendered.object
  if (!isJsonObject(metadata)) return [malformed(rendered, 'metadata is missing', ['metadata'])]
  const { name, generateName, namespace } = metadata
  const faults: Fault[] = []
  if (generateName !== undefined)
    faults.push(
      faultAt(rendered, 'NAME_GENERATED', 'metadata.generateName has no place here', ['metadata', 'generateName']),
    )
  else if (name === undefined || name === null || name === '')
    faults.push(malformed(rendered, 'metadata.name is missing', ['metadata', 'name']))
  if (name !== undefined && name !== null && name !== '' && !isName(name))
    faults.push(
      malformed(rendered, 'metadata.name is no name: text of at most 253 characters, without / or %', [
        'metadata',
        'name',
      ]),
    )
  if (namespace !== undefined && !(typeof namespace === 'string' && namespace.length <= 63 && LABEL.test(namespace)))
    faults.push(malformed(rendered, 'metadata.namespace is no name of a namespace', ['metadata', 'namespace']))
  return faults
}

/** What Kubernetes takes for the name of any kind: a path segment (apimachinery v0.36, api/validation/path). */
function isName(name: unknown): boolean {
  if (typeof name !== 'string' || name === '.' || name === '..' || /[/%]/.test(name)) return false
  return (
    [...name].every((char) => char > ' ' && char !== '\u007f') &&
    Buffer.byteLength(name) <= Math.min(253, LIMITS.pathBytesMax)
  )
}

function malformed(rendered: RenderedObject, message: string, field: FieldPath): Fault {
  return faultAt(rendered, 'OBJECT_MALFORMED', message, field)
}
