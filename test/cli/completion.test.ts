import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { CATALOGUE } from '../../cli/catalogue.ts'
import { fishScript } from '../../cli/completion/fish.ts'
import { zshScript } from '../../cli/completion/zsh.ts'
import { assertFails, waybillHere } from './command.ts'

const folder = mkdtempSync(join(tmpdir(), 'waybill-completion-'))
after(() => rmSync(folder, { recursive: true }))
const file = (shell: string) => join(folder, `waybill.${shell}`)

before(async () => {
  for (const shell of ['bash', 'zsh', 'fish']) {
    const { status, stdout } = await waybillHere(['completion', shell])
    assert.equal(status, 0)
    writeFileSync(file(shell), stdout)
  }
})

/** What bash offers for the last word, which may be empty; bash itself takes `--flag=value` apart into three words. */
function offered(...words: readonly string[]): readonly string[] {
  const script = `source "$1"; shift; COMP_WORDS=(waybill "$@"); COMP_CWORD=$#; _waybill; printf '%s\\n' "\${COMPREPLY[@]}"`
  const out = execFileSync('bash', ['--norc', '-uc', script, 'bash', file('bash'), ...words], { encoding: 'utf8' })
  return out.split('\n').filter(Boolean)
}

test('bash offers every verb, and those that begin with what is there', () => {
  assert.deepEqual(
    offered('').slice(0, CATALOGUE.length),
    CATALOGUE.map(({ name }) => name),
  )
  assert.deepEqual(offered('pu'), ['publish', 'puller'])
  assert.deepEqual(offered('help', 'ro'), ['rollback'])
})

test('bash offers the flags of the verb that stands there, and their choices', () => {
  assert.deepEqual(offered('show', '--p'), ['--plain-http'])
  assert.deepEqual(offered('get', '--p'), [])
  assert.deepEqual(offered('check', '--output', 's'), ['sarif'])
  assert.deepEqual(offered('pack', '--output', ''), ['text', 'json'])
  assert.deepEqual(offered('check', '--output', '=', 'gi'), ['github', 'gitlab'])
  assert.deepEqual(offered('check', '--output', '='), ['text', 'json', 'github', 'gitlab', 'sarif'])
  assert.deepEqual(offered('completion', 'z'), ['zsh'])
})

test('bash leaves files to readline: after flags that take one, and where a release or a layout stands', () => {
  for (const words of [
    ['publish', '--key', ''],
    ['get', '-n', ''],
    ['show', ''],
    ['show', './pac'],
  ])
    assert.deepEqual(offered(...words), [], words.join(' '))
  const bound = execFileSync('bash', ['--norc', '-c', `source "$1"; complete -p waybill`, 'bash', file('bash')])
  assert.equal(bound.toString(), 'complete -o default -F _waybill waybill\n')
})

test('every flag that --help shows is in every script', async () => {
  for (const { name } of CATALOGUE) {
    const { stdout } = await waybillHere([name, '--help'])
    const flags = [...stdout.matchAll(/^ {2}(?:-[a-zA-Z], )?--([a-z-]+)/gm)].map(([, flag]) => flag ?? '')
    assert.ok(flags.length > 0)
    const bash = offered(name, '--')
    for (const flag of flags) assert.ok(bash.includes(`--${flag}`), `${name} --${flag}`)
    for (const shell of ['zsh', 'fish'])
      for (const flag of flags) assert.ok(scriptOf(shell, name).includes(shell === 'zsh' ? `--${flag}` : ` -l ${flag}`))
  }
})

test('the scripts for zsh and fish can be read by those shells, where they are installed', (t) => {
  for (const [shell, flag] of [
    ['zsh', '-n'],
    ['fish', '--no-execute'],
  ] as const) {
    const ran = spawnSync(shell, [flag, file(shell)], { encoding: 'utf8' })
    if (ran.error === undefined) assert.deepEqual([ran.status, ran.stderr], [0, ''])
    else t.diagnostic(`${shell} is not installed`)
  }
})

test('what stands in a summary cannot end a quotation of zsh or fish, nor a description of zsh', () => {
  const option = { long: '--x', summary: `it's a [b]: \\c`, value: 'none', again: false } as const
  const verbs = [{ name: 'v', summary: "it's: $(touch x)", choices: [], options: [option] }]
  assert.ok(zshScript(verbs).includes(`'--x[it'\\''s a \\[b\\]\\: \\\\c]'`))
  assert.ok(zshScript(verbs).includes(`'v:it'\\''s\\: $(touch x)'`))
  // What the script for zsh is made of, bash reads the same way.
  execFileSync('bash', ['-n'], { input: zshScript(verbs) })
  assert.match(fishScript(verbs), / -d 'it\\'s a \[b\]: \\\\c'$/m)
})

test('a shell that there is no script for is told with those that there are', async () => {
  const ran = await waybillHere(['completion', 'csh'])
  assertFails(ran, 2, 'USAGE')
  assert.match(ran.stderr, /bash, zsh, fish/)
})

function scriptOf(shell: string, verb: string): string {
  const script = readFileSync(file(shell), 'utf8')
  if (shell === 'fish')
    return script
      .split('\n')
      .filter((line) => line.includes(`_from ${verb}'`))
      .join('\n')
  return script.slice(script.indexOf(`    ${verb}) _arguments`)).split(';;')[0] ?? ''
}
