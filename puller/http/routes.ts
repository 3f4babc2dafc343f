import type { Metrics } from '../metrics/metrics.ts'
import type { Hooks } from './hooks.ts'
import type { Asked, Reply } from './http.ts'
import type { Readiness } from './readiness.ts'

export type Routes = {
  readonly answer: (asked: Asked) => Promise<Reply>
  readonly takesBody: (path: string) => boolean
}

const HOOKS = '/hooks/'

/** `/metrics`, `/healthz`, `/readyz`, and with a secret `/hooks/<form>`. */
export function createRoutes(parts: {
  readonly metrics: Pick<Metrics, 'render' | 'contentType'>
  readonly readiness: Readiness
  readonly hooks?: Hooks
}): Routes {
  const { metrics, readiness, hooks } = parts
  const pages: Readonly<Record<string, () => Promise<Reply>>> = {
    '/healthz': async () => ({ status: 200, body: 'ok\n' }),
    '/readyz': async () => {
      const missing = readiness.missing()
      return missing.length === 0 ? { status: 200, body: 'ok\n' } : { status: 503, body: `${missing.join('\n')}\n` }
    },
    '/metrics': async () => ({ status: 200, contentType: metrics.contentType, body: await metrics.render() }),
  }
  return {
    takesBody: (path) => hooks !== undefined && path.startsWith(HOOKS),
    answer: async (asked) => {
      if (hooks !== undefined && asked.path.startsWith(HOOKS)) return hooks(asked.path.slice(HOOKS.length), asked)
      const page = Object.hasOwn(pages, asked.path) ? pages[asked.path] : undefined
      if (page === undefined) return { status: 404, body: 'there is nothing here\n' }
      if (asked.method !== 'GET' && asked.method !== 'HEAD') return { status: 405, body: 'only GET\n' }
      return page()
    },
  }
}
