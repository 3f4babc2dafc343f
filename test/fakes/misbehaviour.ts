import type { IncomingMessage, ServerResponse } from 'node:http'

/** What a good registry would have answered. */
export type GoodAnswer = {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

/** Answers in place of the good answer. */
export type Misbehaviour = (good: GoodAnswer, request: IncomingMessage, response: ServerResponse) => void

type Rule = {
  readonly method: string
  readonly path: RegExp
  readonly act: Misbehaviour
  readonly skip: number
  readonly times: number
  matched: number
}

/**
 * How requests of one kind are answered from now on. Each verb ends the sentence:
 * `registry.when('GET', /blobs/).truncate()`, `registry.when('GET', /referrers/).times(1).status(500)`.
 */
export type When = {
  /** Lets the first `count` go well. */
  after(count: number): When
  /** Misbehaves this often, then no more. */
  times(count: number): When
  status(status: number, headers?: Readonly<Record<string, string>>): void
  /** Declares the whole length, sends half of it and closes. */
  truncate(): void
  /** Sends these bytes instead, headers and all else kept. */
  lie(bytes: Uint8Array | string): void
  /** Adds or replaces headers; undefined takes one away. */
  headers(headers: Readonly<Record<string, string | undefined>>): void
  /** Never answers. */
  stall(): void
  /** Sends half of the body, then nothing, and keeps the connection. */
  stallHalfway(): void
  /** Sends without end, with no length declared. */
  flood(): void
  /** Sends one space at a time, this many milliseconds apart, without end. */
  trickle(everyMs: number): void
  redirect(to: string, status?: number): void
  /** Closes the connection before answering. */
  hangUp(): void
}

export class Misbehaviours {
  readonly #rules: Rule[] = []

  when(method: string, path: RegExp): When {
    return this.#when(method, path, 0, Number.POSITIVE_INFINITY)
  }

  /** From now on everything goes well. */
  forget(): void {
    this.#rules.length = 0
  }

  /** The newest rule that applies, counted. */
  find(request: IncomingMessage): Misbehaviour | undefined {
    for (const rule of this.#rules) {
      if (rule.method !== request.method || !rule.path.test(request.url ?? '')) continue
      const turn = rule.matched++
      if (turn >= rule.skip && turn < rule.skip + rule.times) return rule.act
    }
    return undefined
  }

  #when(method: string, path: RegExp, skip: number, times: number): When {
    const act = (act: Misbehaviour) => {
      this.#rules.unshift({ method, path, act, skip, times, matched: 0 })
    }
    return {
      after: (count) => this.#when(method, path, count, times),
      times: (count) => this.#when(method, path, skip, count),
      status: (status, headers = {}) =>
        act((_good, _request, response) => void response.writeHead(status, headers).end('{"errors":[]}')),
      truncate: () =>
        act(({ status, headers, body }, _request, response) => {
          response.writeHead(status, { ...headers, 'content-length': String(body.length) })
          response.write(half(body), () => response.destroy())
        }),
      lie: (bytes) =>
        act(({ status, headers }, _request, response) => {
          const body = Buffer.from(bytes)
          response.writeHead(status, { ...headers, 'content-length': String(body.length) }).end(body)
        }),
      headers: (changes) =>
        act((good, request, response) => {
          const merged = Object.entries({ ...good.headers, ...changes })
          const kept = merged.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]))
          response.writeHead(good.status, Object.fromEntries(kept))
          response.end(request.method === 'HEAD' ? undefined : good.body)
        }),
      stall: () => act(() => {}),
      stallHalfway: () =>
        act(({ status, headers, body }, _request, response) => {
          response.writeHead(status, { ...headers, 'content-length': String(body.length) })
          response.write(half(body))
        }),
      flood: () =>
        act(({ headers }, _request, response) => {
          const { 'content-length': _, ...rest } = headers
          response.writeHead(200, rest)
          const chunk = Buffer.alloc(64 * 1024, 0x20)
          const pour = () => {
            while (!response.destroyed && response.write(chunk)) {}
          }
          response.on('drain', pour)
          pour()
        }),
      trickle: (everyMs) =>
        act(({ headers }, _request, response) => {
          const { 'content-length': _, ...rest } = headers
          response.writeHead(200, rest)
          const drops = setInterval(() => response.write(' '), everyMs)
          response.on('close', () => clearInterval(drops))
        }),
      redirect: (to, status = 307) =>
        act((_good, _request, response) => void response.writeHead(status, { location: to }).end()),
      hangUp: () => act((_good, request) => void request.socket.destroy()),
    }
  }
}

function half(body: Uint8Array): Uint8Array {
  return body.subarray(0, Math.floor(body.length / 2))
}
