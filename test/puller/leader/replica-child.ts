import { pino } from 'pino'
import { type PullerOptions, runPuller } from '../../../puller/puller.ts'

/** One replica of the puller, as a process that can be killed: `node replica-child.ts '{"kubeconfig": …}'`. SIGTERM ends it well. */
const end = new AbortController()
process.once('SIGTERM', () => end.abort())
await runPuller({
  ...parseOptions(process.argv[2] ?? '{}'),
  plainHttp: true,
  signal: end.signal,
  log: pino({ level: 'info' }, pino.destination(2)),
})

function parseOptions(text: string): Omit<PullerOptions, 'log'> {
  return JSON.parse(text) as Omit<PullerOptions, 'log'>
}
