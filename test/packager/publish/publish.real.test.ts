import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { createRegistryReader } from '../../../contract/registry/registry-client.ts'
import { wait } from '../../../packager/clock.ts'
import { createOras } from '../../../packager/publish/oras.ts'
import { createUploader } from '../../../packager/publish/upload.ts'
import { ensureTools } from '../../../tools/build.ts'
import { startFakeRegistry } from '../../fakes/registry.ts'
import { startRegistry } from '../../real/registry.ts'
import { publishSuite } from './publish-suite.ts'

// Everything is started before the first test: hooks may run as soon as no test is left.
const { oras } = await ensureTools(['oras'])
const home = mkdtempSync(join(tmpdir(), 'waybill-home-'))
const reader = createRegistryReader({ plainHttp: true })
const byOras = createOras({ program: oras, env: { HOME: home, PATH: process.env.PATH }, plainHttp: true })
const writer = createUploader({ session: reader.session, oras: byOras, wait })
const distribution = await startRegistry({ kind: 'distribution' })
const referrers = await startRegistry({ kind: 'referrers' })
const fake = await startFakeRegistry({ referrersApi: false })

after(async () => {
  await reader.close()
  await Promise.all([distribution.stop(), referrers.stop(), fake.close()])
  rmSync(home, { recursive: true, force: true })
})

// One mounts what it has, one does not, and one has all its blobs from oras.
publishSuite('distribution', async () => ({ host: distribution.host, reader, writer }))
publishSuite('a registry with referrers', async () => ({ host: referrers.host, reader, writer }))
publishSuite('the fake registry, oras', async () => ({ host: fake.host, reader, writer: byOras }))
