import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { createRegistryReader } from '../../../contract/registry/registry-client.ts'
import { createOras } from '../../../packager/publish/oras.ts'
import { ensureTools } from '../../../tools/build.ts'
import { startFakeRegistry } from '../../fakes/registry.ts'
import { startRegistry } from '../../real/registry.ts'
import { publishSuite } from './publish-suite.ts'

// Everything is started before the first test: hooks may run as soon as no test is left.
const { oras } = await ensureTools(['oras'])
const home = mkdtempSync(join(tmpdir(), 'waybill-home-'))
const reader = createRegistryReader({ plainHttp: true })
const writer = createOras({ program: oras, env: { HOME: home, PATH: process.env.PATH }, plainHttp: true })
const distribution = await startRegistry({ kind: 'distribution' })
const referrers = await startRegistry({ kind: 'referrers' })
const fake = await startFakeRegistry({ referrersApi: false })

after(async () => {
  await reader.close()
  await Promise.all([distribution.stop(), referrers.stop(), fake.close()])
  rmSync(home, { recursive: true, force: true })
})

publishSuite('distribution, oras', async () => ({ host: distribution.host, reader, writer }))
publishSuite('a registry with referrers, oras', async () => ({ host: referrers.host, reader, writer }))
publishSuite('the fake registry, oras', async () => ({ host: fake.host, reader, writer }))
