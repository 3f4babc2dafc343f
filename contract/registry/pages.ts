import type { Answer } from './http.ts'

/** The URL of the next page, from `Link: <…>; rel="next"` (RFC 8288); whether it may be asked is the session's to say. */
export function nextPage({ headers, url }: Pick<Answer, 'headers' | 'url'>): string | undefined {
  const target = /<([^<>]{1,4096})>[^<>,]{0,256}rel="?next"?/i.exec((headers.link ?? '').slice(0, 8192))?.[1]
  return target !== undefined && URL.canParse(target, url.href) ? new URL(target, url).href : undefined
}
