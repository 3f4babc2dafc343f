import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import type { Cluster } from '../../../puller/cluster/cluster-port.ts'
import { HeadKeeper } from '../../../puller/records/head-keeper.ts'
import type { Site } from '../../../puller/site.ts'
import { openCache } from '../../../puller/source/disk.ts'
import { createRegistries } from '../../../puller/source/registries.ts'
import { FakeClock } from '../fake-clock.ts'
import { newKeys } from '../records/records-fixture.ts'

/** A puller's surroundings with a cluster of the test's, no policy, and a cache that nothing is written to. */
export function siteOf(cluster: Cluster, log: Site['log'] = pino({ level: 'silent' })): Site {
  const clock = new FakeClock()
  const keys = newKeys()
  return {
    cluster,
    clock,
    keys,
    heads: new HeadKeeper(cluster, { namespace: 'waybill-system', publicPem: keys.publicPem, clock }),
    cache: openCache(join(tmpdir(), 'waybill-unused')),
    cacheBytesMax: 0,
    registries: createRegistries({}, clock),
    policies: () => ({ policies: [], invalid: [] }),
    namespace: 'waybill-system',
    waitTimeoutMs: 0,
    log,
  }
}
