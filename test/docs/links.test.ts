import assert from 'node:assert/strict'
import { existsSync, globSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { test } from 'node:test'

const ROOT = join(import.meta.dirname, '../..')
const PAGES = ['README.md', 'CONTRIBUTING.md', ...globSync('docs/**/*.md', { cwd: ROOT })]

/** As GitHub makes anchors of headings. */
function anchorsOf(file: string): readonly string[] {
  const headings = [...readFileSync(file, 'utf8').matchAll(/^#+ (.+)$/gm)].map(([, text = '']) => text)
  return headings.map((text) =>
    text
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replaceAll(/\s/g, '-'),
  )
}

test('every link from one page to another leads to a page, and to a heading that it has', () => {
  const broken = PAGES.flatMap((page) => {
    const from = join(ROOT, page)
    const links = [...readFileSync(from, 'utf8').matchAll(/\]\((?!\w+:)([^)\s]*)\)/g)].map(([, link = '']) => link)
    return links
      .filter((link) => {
        const [path = '', anchor] = link.split('#')
        const to = path === '' ? from : join(dirname(from), path)
        if (!existsSync(to)) return true
        return anchor !== undefined && (statSync(to).isDirectory() || !anchorsOf(to).includes(anchor))
      })
      .map((link) => `${relative(ROOT, from)}: ${link}`)
  })
  assert.deepEqual(broken, [])
})
