import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { CATALOGUE } from '../../cli/catalogue.ts'
import { waybillHere } from '../cli/command.ts'

const FOLDER = join(import.meta.dirname, '../../docs/guides')
const guides = [
  ...readdirSync(FOLDER).filter((name) => name.endsWith('.md')),
  ...['operations.md', 'migrating.md'].map((page) => join('..', page)),
]

/** Command lines in a guide's blocks of code, continued lines joined, comments and what comes after a pipe left out. */
function commandsOf(guide: string): readonly string[] {
  const blocks = [...readFileSync(join(FOLDER, guide), 'utf8').matchAll(/^```[\w ]*\n([\s\S]*?)^```$/gm)].map(
    ([, block = '']) => block,
  )
  const lines = blocks.join('\n').replaceAll('\\\n', ' ').split('\n')
  return lines
    .flatMap((line) => /(?:^|[$&|(]\s*)(?:npx )?(waybill [a-z].*)$/.exec(line.trim())?.[1] ?? [])
    .map((line) => line.split(/ (?:#|\||&&|>) ?/)[0] ?? '')
}

test('every command in a guide is one that there is, with options that it has', async () => {
  const commands = guides.flatMap((guide) => commandsOf(guide).map((command) => ({ guide, command })))
  assert.ok(commands.length > 5)
  const help = new Map<string, string>()
  for (const { guide, command } of commands) {
    const [, verb = '', ...words] = command.split(/\s+/)
    assert.ok(
      CATALOGUE.some(({ name }) => name === verb),
      `${guide}: ${command}`,
    )
    const text = help.get(verb) ?? (await waybillHere([verb, '--help'])).stdout
    help.set(verb, text)
    for (const word of words.filter((each) => /^--?[a-z]/.test(each))) {
      const option = word.split('=')[0] ?? ''
      assert.match(text, new RegExp(`^ +(?:-\\w, )?${option}(?:[ ,]|$)`, 'm'), `${guide}: ${command}: ${option}`)
    }
  }
})
