import { WaybillError } from '../../contract/errors.ts'
import type { Cluster, Identity } from '../cluster/cluster-port.ts'
import { readSecret, secretValue } from '../source/secrets.ts'
import type { Notification } from './messages.ts'

/** Where a notification goes, and what it is signed with. In memory only, and never said to anybody. */
export type Receiver = { readonly url: URL; readonly key: Uint8Array | undefined }

/** Standard Webhooks: 24 bytes at least. */
const KEY_BYTES_MIN = 24
const URL_CHARS_MAX = 2048

/**
 * Reads the Secret that a notification names, as the Delivery's account.
 * @throws WaybillError NOTIFICATION_SECRET, without a value; CLUSTER_*
 */
export async function readReceiver(
  cluster: Cluster,
  account: Exclude<Identity, 'puller'>,
  { secret: { name }, type }: Notification,
): Promise<Receiver> {
  const fail = (why: string): never => {
    throw new WaybillError('NOTIFICATION_SECRET', `Secret ${account.namespace}/${name}: ${why}`)
  }
  try {
    const secret = await readSecret(cluster, account, name)
    const text = Buffer.from(secretValue(secret, 'url')).toString('utf8').trim()
    const url = text.length <= URL_CHARS_MAX ? URL.parse(text) : null
    if (url === null || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '')
      return fail('url is no https address without a login in it')
    if (type === 'slack') return { url, key: undefined }
    const key = keyOf(secretValue(secret, 'key'))
    return key.length < KEY_BYTES_MIN ? fail(`key has less than ${KEY_BYTES_MIN} bytes`) : { url, key }
  } catch (error) {
    if (!(error instanceof WaybillError) || error.code !== 'SECRET_INVALID') throw error
    throw new WaybillError('NOTIFICATION_SECRET', error.message)
  }
}

/** `whsec_` and base64, as Standard Webhooks writes keys; else the bytes as they are. */
function keyOf(bytes: Uint8Array): Uint8Array {
  const text = Buffer.from(bytes).toString('utf8').trim()
  return text.startsWith('whsec_') ? Buffer.from(text.slice('whsec_'.length), 'base64') : Buffer.from(text, 'utf8')
}
