import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { ensureTools } from '../../../tools/build.ts'
import { waybillHere } from '../../cli/command.ts'
import { startRegistry } from '../../real/registry.ts'
import { commitAll, type Files, tempFolder } from '../repository.ts'
import { SHAPES, workingTree } from './shapes.ts'

/** Runs command lines in a working tree with the real tools, and expects each to be done. */
async function settle(files: Files) {
  const tools = await ensureTools(['kustomize', 'helm', 'oras'])
  const folder = workingTree(files)
  const home = tempFolder()
  const env = {
    WAYBILL_KUSTOMIZE: tools.kustomize,
    WAYBILL_HELM: tools.helm,
    WAYBILL_ORAS: tools.oras,
    XDG_CONFIG_HOME: home,
  }
  const done = async (...args: readonly string[]) => {
    const ran = await waybillHere(args, { cwd: folder, env })
    assert.equal(ran.status, 0, `${args.join(' ')}: ${ran.stderr}`)
    return ran.stdout
  }
  return { folder, home, done }
}

for (const [shape, environments] of [
  ['overlays', ['dev', 'staging', 'production']],
  ['chart', ['dev', 'staging', 'prod']],
] as const)
  test(`what init writes for ${shape} renders and passes check with the real tools, commit for commit`, async () => {
    const { folder, done } = await settle(SHAPES[shape])
    await done('init', '--repository', 'registry.example.com/acme/shop')
    commitAll(folder)
    const checked: unknown = JSON.parse(await done('check', '--output', 'json'))
    assert.ok(typeof checked === 'object' && checked !== null && 'environments' in checked)
    assert.deepEqual(Object.keys(checked.environments ?? {}), environments)
  })

test('a newcomer gets from a repository to a release that verifies: init, commit, publish, verify', async (t) => {
  const registry = await startRegistry({ kind: 'distribution' })
  t.after(() => registry.stop())
  const { folder, home, done } = await settle(SHAPES.overlays)
  const repository = `${registry.host}/acme/shop`
  await done('init', '--repository', repository, '--key', '--trust-policy', 'trust-policy.yaml')
  commitAll(folder)
  const key = join(home, 'waybill/shop.key')
  await done('publish', '--key', key, '--version', '1.0.0', '--channel', 'staging', '--plain-http')
  const verified = await done('verify', `${repository}:staging`, '--policy', 'trust-policy.yaml', '--plain-http')
  assert.match(verified, /sha256:/)
})
