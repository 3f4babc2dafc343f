import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { KubeObject } from '../../../contract/artifact/objects.ts'
import { compareTrees } from '../../../packager/diff/compare.ts'
import { diffMarkdown, MARKDOWN_BYTES_MAX } from '../../../packager/diff/markdown.ts'
import { diffText } from '../../../packager/diff/text.ts'
import { visible } from '../../../packager/diff/visible.ts'
import { reportOf } from './reports.ts'

const configMap = (name: string, text: string): KubeObject => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name },
  data: { text },
})
const compare = (before: readonly KubeObject[], after: readonly KubeObject[]) =>
  compareTrees({ treeDigest: 'old', objects: before }, { treeDigest: 'new', objects: after })

const ESC = String.fromCharCode(27)
const plain = { production: compare([configMap('a', '1')], [configMap('a', '2'), configMap('b', '')]) }

test('a comment has the counts on top, a folded section for each environment, and what stays the same in a line', () => {
  const same = compareTrees({ treeDigest: 'x', objects: [] }, { treeDigest: 'x', objects: [] })
  assert.equal(
    diffMarkdown(reportOf({ ...plain, staging: same }, { kubernetes: '1.37' })),
    `<!-- waybill diff -->
### Waybill: 1 added, 0 removed, 1 changed

- Before: \`main, sha1:111111111111 of 2026-11-21T10:00:00Z\`
- After: \`HEAD, sha1:111111111111 of 2026-11-21T10:00:00Z\`
- \`Kubernetes: 1.36 → 1.37\`
- Nothing changes in \`staging\`

<details>
<summary><b>production</b>: 1 added, 0 removed, 1 changed</summary>

- \`~ ConfigMap a\`

\`\`\`diff
- data.text: "1"
+ data.text: "2"
\`\`\`

- \`+ ConfigMap b\`

</details>
`,
  )
})

test('text is coloured where it is asked for, and nowhere else', () => {
  const report = reportOf(plain)
  const [without, coloured] = [diffText(report, { colour: false }), diffText(report, { colour: true })]
  assert.ok(!without.includes(ESC))
  assert.ok(coloured.includes(`${ESC}[31m        - data.text: "1"${ESC}[0m`), coloured)
})

const hostile = [
  '```',
  '</details><script>alert(1)</script>',
  '```\n</details>\n# A heading\n@everyone',
  '`x` ``y`` ```z``` [a](javascript:b) ![c](https://evil.example.com/d)',
  '|a|b|\\|c|',
  '::error file=x::spoof\n::stop-commands::token\n  ::set-env name=PATH::x',
  '##[add-path]/evil',
  '\u001b[2J\u001b]0;title\u0007',
  'left\u202eright\u2066\u200b\u2028',
  '\r\n::error::after a carriage return',
]

/** A report in which a text stands wherever a text of others can. */
function reportWith(value: string) {
  const multi = `${value}\nsecond line\n`
  const before = [configMap('a', 'x'), configMap('m', `${multi}old`), configMap(`gone ${value}`, '')]
  const after = [
    configMap('a', value),
    configMap('m', `${multi}new`),
    { ...configMap(`new ${value}`, ''), kind: `Kind ${value}` },
    { ...configMap('i', ''), spec: { containers: [{ name: value, image: `image ${value}` }] } },
  ]
  return reportOf({ production: compare(before, after) }, { name: value, package: value, kubernetes: value })
}

function assertHarmless(value: string): void {
  const report = reportWith(value)
  const markdown = diffMarkdown(report)
  for (const text of [markdown, diffText(report, { colour: false })]) {
    assert.doesNotMatch(text, /[^\P{Cc}\n\t]|[\p{Cf}\p{Zl}\p{Zp}]/u)
    for (const line of text.split('\n')) assert.doesNotMatch(line, /^\s*::|##\[/)
  }
  assertAllInCode(markdown)
}

test('nothing that a commit holds becomes markup, a mention, a command of the CI or a sequence of the terminal', () => {
  for (const value of hostile) assertHarmless(value)
})

test('nor does anything made of what markup, commands and sequences are made of', () => {
  const parts = fc.constantFrom(
    '`',
    '``',
    '```',
    '~~~',
    '\n',
    '\r',
    ' ',
    '    ',
    '::',
    '##[',
    '<',
    '</details>',
    '|',
    '\\',
    '@',
    '*',
    'a',
    '\u001b',
    '\u202e',
  )
  fc.assert(fc.property(fc.array(parts, { maxLength: 12 }), (chosen) => assertHarmless(chosen.join(''))))
  fc.assert(fc.property(fc.string({ unit: 'binary' }), assertHarmless), { numRuns: 30 })
})

/** What is left of a page when code is taken out of it, as CommonMark finds code, is our own words alone. */
function assertAllInCode(markdown: string): void {
  const outside: string[] = []
  let fence: string | undefined
  for (const line of markdown.split('\n')) {
    const ticks = /^ {0,3}(`{3,})(?:diff)?\s*$/.exec(line)?.[1]
    if (fence === undefined && ticks !== undefined) fence = ticks
    else if (fence !== undefined && ticks !== undefined && ticks.length >= fence.length && line.trim() === ticks)
      fence = undefined
    else if (fence === undefined) outside.push(line.replace(/(?<!`)(`+)(?!`)(.*?)(?<!`)\1(?!`)/g, ''))
  }
  assert.equal(fence, undefined, 'a fence is left open')
  for (const line of outside)
    assert.match(
      line,
      /^(?:|<!-- waybill diff -->|### Waybill: [\w ,]+|- (?:Before: |After: )?|\*\*(?:Images|Custom kinds)\*\*|<\/?details>|<summary><b>production<\/b>: [\w ,]+<\/summary>)$/,
    )
}

test('a comment is never longer than GitHub takes, closes what it opens, and says how much is missing', () => {
  const many = (word: string) =>
    Array.from({ length: 3000 }, (_, i) => configMap(`settings-of-tenant-${i}`, `${word}${'漢'.repeat(i % 200)}`))
  const environments = Object.fromEntries(
    Array.from({ length: 8 }, (_, i) => [`environment-${i}`, compare(many('a'), many('b'))]),
  )
  const markdown = diffMarkdown(reportOf(environments))
  assert.ok(Buffer.byteLength(markdown) <= MARKDOWN_BYTES_MAX, `${Buffer.byteLength(markdown)}`)
  assert.ok(Buffer.byteLength(markdown) > MARKDOWN_BYTES_MAX / 2)
  assert.equal(markdown.match(/<details>/g)?.length, 8)
  assert.equal(markdown.match(/<\/details>/g)?.length, 8)
  assert.match(markdown, /<b>environment-7<\/b>: 0 added, 0 removed, 3000 changed/)
  assert.match(markdown, /\*\*3000 more\*\*, for which there is no room here/)
})

test('one object with a long text does not push the others out', () => {
  const lines = (word: string) => Array.from({ length: 300 }, (_, i) => `${word} ${i} ${'x'.repeat(100)}\n`).join('')
  const found = compare(
    [configMap('a', lines('a')), configMap('b', '1')],
    [configMap('a', lines('b')), configMap('b', '2')],
  )
  const markdown = diffMarkdown(reportOf({ production: found }))
  assert.match(markdown, /^! \d+ more lines$/m)
  assert.match(markdown, /`~ ConfigMap b`/)
})

test('what is not seen is written out', () => {
  assert.equal(visible('a\u202eb\u0000\n\tc'), 'a\\u202eb\\u0000\\u000a\tc')
})
