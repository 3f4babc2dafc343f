import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { createRegistryReader } from '../../contract/registry-client.ts'
import { createOras } from '../../packager/oras.ts'
import { ensureTools } from '../../tools/build.ts'
import { startFakeRegistry } from '../fakes/registry.ts'
import { REGISTRY_KINDS, startRegistry } from '../real/registry.ts'
import { publishSuite } from './publish-suite.ts'

const { oras } = await ensureTools(['oras'])
const home = mkdtempSync(join(tmpdir(), 'waybill-home-'))
const reader = createRegistryReader({ plainHttp: true })
const writer = createOras({ program: oras, env: { HOME: home, PATH: process.env.PATH }, plainHttp: true })

for (const kind of REGISTRY_KINDS) {
  const registry = await startRegistry({ kind })
  after(() => registry.stop())
  publishSuite(`${kind} registry, oras`, async () => ({ host: registry.host, reader, writer }))
}

for (const referrersApi of [true, false]) {
  const registry = await startFakeRegistry({ referrersApi })
  after(() => registry.close())
  const how = referrersApi ? 'with' : 'without'
  publishSuite(`fake registry ${how} the referrers API, oras`, async () => ({ host: registry.host, reader, writer }))
}

after(() => reader.close())
