import { join, relative } from 'node:path'
import { WaybillError } from '../../contract/errors.ts'
import { isIgnored, type WorkingTree } from '../working-tree/git.ts'
import { type NewFile, realPathOf } from './disk.ts'
import type { Identity, InitFile, InitOptions } from './init.ts'
import { makeKeyPair } from './key-pair.ts'
import { writeTrustPolicy } from './write-trust-policy.ts'

export type DraftFile = NewFile & { readonly holds: InitFile['holds'] }

/**
 * A new key pair and a policy that trusts it, where they are asked for; nothing is written.
 * @throws WaybillError USAGE for a policy without a key; KEY_EXPOSED where Git would take the private key
 */
export async function draftKeyFiles(
  options: InitOptions,
  tree: WorkingTree,
  identity: Identity,
): Promise<readonly DraftFile[]> {
  if (options.key === undefined) {
    if (options.trustPolicy === undefined) return []
    throw new WaybillError('USAGE', '--trust-policy needs --key: it trusts the key that is made', {
      hint: 'For a key that you have: waybill init without it, and docs/guides/init.md for the policy.',
    })
  }
  const key = await realPathOf(options.key ?? join(options.keyFolder, `${identity.name}.key`))
  const path = relative(tree.root, key)
  const isInside = path !== '..' && !path.startsWith('../')
  if (isInside && !(await isIgnored(tree, path, options.env)))
    throw new WaybillError('KEY_EXPOSED', `${key}: in the repository, and Git does not ignore it`)
  const { privatePem, publicPem } = makeKeyPair()
  const policy = options.trustPolicy
  const policyText = writeTrustPolicy({ ...identity, publicPem })
  return [
    { path: key, holds: 'private-key', text: privatePem, mode: 0o600 },
    { path: `${key}.pub`, holds: 'public-key', text: publicPem, mode: 0o644 },
    ...(policy === undefined ? [] : [{ path: policy, holds: 'trust-policy', text: policyText, mode: 0o644 } as const]),
  ]
}
