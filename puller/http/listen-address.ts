import type { ListenAddress } from './http.ts'

/** `:8080`, `127.0.0.1:8080`, `[::1]:8080`, `localhost:0`; undefined where it is none of these. */
export function parseListenAddress(text: string): ListenAddress | undefined {
  const [, v6, name, digits = ''] = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9.-]*)):([0-9]{1,5})$/i.exec(text) ?? []
  const port = Number(digits)
  if (digits === '' || port > 65_535) return undefined
  const host = v6 ?? name
  return { port, ...(host === undefined || host === '' ? {} : { host }) }
}
