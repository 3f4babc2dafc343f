import assert from 'node:assert/strict'
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { digestOf } from '../../../contract/digest.ts'
import { parseRepository } from '../../../contract/reference.ts'
import { createOrasCopier, type Place } from '../../../packager/copy/copier.ts'
import { fails } from '../publish/publish-suite.ts'
import { tempFolder } from '../repository.ts'

const digest = digestOf('manifest')
const registry = (name: string, plainHttp: boolean): Place => ({
  kind: 'registry',
  repository: parseRepository(name),
  plainHttp,
})

/** A program in oras's place that writes down its arguments, and does `then`. */
function pretend(then = 'exit 0') {
  const program = join(tempFolder(), 'oras')
  const log = `${program}.args`
  writeFileSync(
    program,
    `#!/bin/sh\n[ "$1" = version ] && echo "Version: 1.3.3" && exit 0\necho "$@" > ${log}\n${then}\n`,
  )
  chmodSync(program, 0o755)
  return { program, args: () => readFileSync(log, 'utf8').trim() }
}

test('each side of a copy is reached as it is said, and logins and certificates are for both', async () => {
  const { program, args } = pretend()
  const env = { PATH: process.env.PATH }
  const copier = createOrasCopier({ program, env, caFile: '/ca.pem', registryConfig: '/auth.json' })
  const [here, there] = [registry('a.example.com/shop', false), registry('127.0.0.1:5000/shop', true)]
  await copier.copy(here, there, digest, { referrers: true })
  assert.equal(
    args(),
    `copy --no-tty --recursive a.example.com/shop@${digest} 127.0.0.1:5000/shop@${digest} --from-ca-file /ca.pem --from-registry-config /auth.json ` +
      '--to-plain-http --to-ca-file /ca.pem --to-registry-config /auth.json',
  )
  await copier.copy({ kind: 'layout', folder: '/carry' }, here, digest, { referrers: false })
  assert.equal(
    args(),
    `copy --no-tty /carry@${digest} a.example.com/shop@${digest} --from-oci-layout --to-ca-file /ca.pem --to-registry-config /auth.json`,
  )
})

test('what goes wrong is told by both names, and neither is taken for what oras says', async () => {
  const { program } = pretend(
    'echo "Error: failed to copy a.example.com/shop-404 to b.example.com/shop-503: hunter2" >&2; exit 1',
  )
  const copier = createOrasCopier({ program, env: { PATH: process.env.PATH } })
  const [here, there] = [registry('a.example.com/shop-404', false), registry('b.example.com/shop-503', false)]
  await fails(
    copier.copy(here, there, digest, { referrers: true }),
    'REGISTRY_FAILED',
    /^(?!.*hunter2).*shop-404.* to .*shop-503/s,
  )
})
