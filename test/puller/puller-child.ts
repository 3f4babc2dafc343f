import { pino } from 'pino'
import { runPuller } from '../../puller/puller.ts'
import { keepFewRecords } from './few-records.ts'

/** The puller as a process that can be killed: `node puller-child.ts KUBECONFIG CACHE NAMESPACE`. */
const [kubeconfig = '', cacheDir = '', namespace = ''] = process.argv.slice(2)
if (process.env.WAYBILL_TEST_FEW_RECORDS === '1') keepFewRecords()
const { deliveries } = await runPuller({
  kubeconfig,
  cacheDir,
  plainHttp: true,
  once: true,
  onlyNamespaces: [namespace],
  waitTimeoutMs: 20_000,
  log: pino({ level: process.env.WAYBILL_TEST_LOG ?? 'silent' }, pino.destination(2)),
})
process.stdout.write(JSON.stringify(deliveries))
