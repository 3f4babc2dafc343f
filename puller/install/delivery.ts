import type { KubeObject } from '../../contract/artifact/objects.ts'
import { WaybillError } from '../../contract/errors.ts'
import { isChannel, parseReference } from '../../contract/reference.ts'
import { API_VERSION } from '../kinds.ts'

const DEFAULT_ACCOUNT = 'waybill'

/**
 * A Delivery of what `followed` names, a channel: `host/path:production`. Its environment is the one of the channel's name.
 * @throws WaybillError REFERENCE_INVALID; USAGE for what is not a channel
 */
export function deliveryObject(options: {
  readonly name: string
  readonly namespace: string
  readonly followed: string
  /** Default: waybill, as the kind has it. */
  readonly account?: string
  readonly adopt?: 'always'
}): KubeObject {
  const { name, namespace, followed, account = DEFAULT_ACCOUNT, adopt } = options
  const { repository, tag, digest } = parseReference(followed)
  if (tag === undefined || digest !== undefined || !isChannel(tag))
    throw new WaybillError('USAGE', `${followed.slice(0, 300)}: a repository and a channel are needed`, {
      hint: 'Such as registry.example.com/acme/shop:production. For a version or a digest, write the Delivery yourself.',
    })
  const spec = {
    source: { repository, channel: tag },
    ...(account === DEFAULT_ACCOUNT ? {} : { serviceAccountName: account }),
    ...(adopt === undefined ? {} : { adopt }),
  }
  return { apiVersion: API_VERSION, kind: 'Delivery', metadata: { name, namespace }, spec }
}

/** What such a Delivery is called: the last part of its repository's path, as far as it can be the name of an object. */
export function deliveryName(followed: string): string {
  const { path } = parseReference(followed)
  const last = path.slice(path.lastIndexOf('/') + 1)
  return last
    .replaceAll(/[^a-z0-9-]+/g, '-')
    .slice(0, 63)
    .replace(/-+$/, '')
}
