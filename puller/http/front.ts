import type { Logger } from 'pino'
import { WaybillError } from '../../contract/errors.ts'
import type { Clock } from '../clock.ts'
import type { RunningLoop } from '../loop/loop.ts'
import { sayError } from '../message.ts'
import { createMetrics } from '../metrics/metrics.ts'
import type { Observation, Observer } from '../metrics/observation.ts'
import { processFigures } from '../metrics/process.ts'
import { readSecretFile } from './disk.ts'
import { createHooks, HOOK_SECRET_CHARS_MIN } from './hooks.ts'
import { type ListenAddress, type Listener, listen } from './http.ts'
import { createReadiness } from './readiness.ts'
import { createRoutes } from './routes.ts'

export type FrontOptions = {
  readonly listen: ListenAddress
  /** With one, webhooks of registries are taken in. */
  readonly hookSecretFile?: string
  readonly clock: Clock
  readonly log: Pick<Logger, 'info' | 'error'>
}

/** What the puller shows over HTTP while it runs, whether it leads or stands by. */
export type Front = {
  readonly observe: Observer
  /** A loop works now; it is asked until `stopped`. */
  readonly started: (running: RunningLoop) => void
  readonly stopped: () => void
  readonly address: Listener['address']
  close(): Promise<void>
}

/** @throws WaybillError LISTEN_FAILED, HOOK_SECRET */
export async function openFront({ listen: where, hookSecretFile, clock, log }: FrontOptions): Promise<Front> {
  const metrics = createMetrics(processFigures)
  const readiness = createReadiness()
  let running: RunningLoop | undefined
  metrics.watchQueue(() => running?.counts() ?? { waiting: 0, running: 0 })
  const observe = (seen: Observation) => {
    metrics.observe(seen)
    readiness.observe(seen)
  }
  if (hookSecretFile !== undefined) await checkSecret(hookSecretFile)
  const routes = createRoutes({
    metrics,
    readiness,
    ...(hookSecretFile === undefined
      ? {}
      : {
          hooks: createHooks({
            secret: () => readSecretFile(hookSecretFile),
            lookSooner: (repositories) => running?.lookSooner(repositories),
            clock,
            observe,
          }),
        }),
  })
  const listener = await listen(where, routes.answer, {
    takesBody: routes.takesBody,
    onFault: (error) => log.error({ code: sayError(error).code, err: error }, 'a request could not be answered'),
  })
  log.info({ ...listener.address, hooks: hookSecretFile !== undefined }, 'listening')
  return {
    observe,
    address: listener.address,
    started: (loop) => {
      running = loop
    },
    stopped: () => {
      running = undefined
    },
    close: () => listener.close(),
  }
}

async function checkSecret(path: string): Promise<void> {
  let length = 0
  try {
    length = (await readSecretFile(path)).length
  } catch (cause) {
    throw new WaybillError('HOOK_SECRET', `${path} cannot be read`, { cause })
  }
  if (length < HOOK_SECRET_CHARS_MIN)
    throw new WaybillError('HOOK_SECRET', `${path} holds less than ${HOOK_SECRET_CHARS_MIN} characters`)
}
