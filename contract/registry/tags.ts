import { z } from 'zod'
import { parseJson } from '../canonical-json.ts'
import { WaybillError } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import type { Reference } from '../reference.ts'
import { type Answer, readBody, where } from './http.ts'
import { nextPage } from './pages.ts'
import type { RegistrySession } from './session.ts'

const pageSchema = z.object({ tags: z.array(z.string()).nullish() })

/** Asked for in one page; registries give fewer where they like. */
const PAGE_TAGS = 1000

/** Every tag of a repository (distribution-spec 1.1.1, "Listing Tags"). A page without tags may be followed by one with some. */
export async function listTags(session: RegistrySession, repository: Reference): Promise<readonly string[]> {
  const tags: string[] = []
  let path: string | undefined = `tags/list?n=${PAGE_TAGS}`
  for (let pages = 1; path !== undefined; pages++) {
    if (pages > LIMITS.tagPagesMax) throw tooMany(repository, `${LIMITS.tagPagesMax} pages of tags`)
    const answer: Answer = await session.request({ repository, method: 'GET', path })
    const page = parsePage(where(answer.url), await readBody(answer, LIMITS.manifestBytesMax))
    if (tags.length + page.length > LIMITS.tagsMax) throw tooMany(repository, `${LIMITS.tagsMax} tags`)
    tags.push(...page)
    path = nextPage(answer)
  }
  return tags
}

function parsePage(at: string, bytes: Uint8Array): readonly string[] {
  try {
    return pageSchema.parse(parseJson(at, bytes)).tags ?? []
  } catch (cause) {
    throw new WaybillError('REGISTRY_ANSWER_INVALID', `${at}: not a list of tags`, { cause })
  }
}

function tooMany({ repository }: Reference, what: string): WaybillError {
  return new WaybillError('LIMIT_EXCEEDED', `${repository}: more than ${what}`, {
    hint: 'Delete tags that nobody needs, or follow a channel, which names its one tag.',
  })
}
