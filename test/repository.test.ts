import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'

const ROOT = join(import.meta.dirname, '..')

/** Files as Git has them or would add them; without Git there is nothing to hold. */
const files = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: ROOT })
  .toString('utf8')
  .split('\0')
  .filter((file) => file !== '' && existsSync(join(ROOT, file)))

const read = (file: string) => readFileSync(join(ROOT, file), 'utf8')

test('no file names a host of package registries: who builds says where packages come from', () => {
  const hosts =
    /\b(?:registry\.(?:npmjs|yarnpkg)\.(?:org|com)|npm\.pkg\.github\.com|proxy\.golang\.org|deb\.debian\.org|goproxy\.[a-z]+)\b/
  assert.deepEqual(
    offences((line) => hosts.test(line)),
    [],
  )
})

test('no file names the folder of this checkout, or the home of who made it', () => {
  const folders = [ROOT, homedir()].map((folder) => `${folder.replace(/\/$/, '')}/`)
  assert.deepEqual(
    offences((line) =>
      folders.some((folder) => ` ${line}`.split(/[\s'"`(=:]/).some((word) => word.startsWith(folder))),
    ),
    [],
  )
})

test('every link in the docs leads to a file that is there', () => {
  const broken = files
    .filter((file) => file.endsWith('.md'))
    .flatMap((file) =>
      [...read(file).matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)(?:#[^)]*)?\)/g)]
        .map(([, target]) => target ?? '')
        .filter((target) => !existsSync(join(ROOT, dirname(file), target)))
        .map((target) => `${file}: ${target}`),
    )
  assert.deepEqual(broken, [])
})

test('every npm script runs a file that is there', () => {
  const { scripts } = JSON.parse(read('package.json'))
  const named = Object.values(scripts).flatMap((line) => String(line).match(/\S+\.ts\b/g) ?? [])
  assert.ok(named.length > 0)
  assert.deepEqual(
    named.filter((file) => !existsSync(join(ROOT, file))),
    [],
  )
})

function offences(isOffence: (line: string) => boolean): readonly string[] {
  return files
    .filter((file) => !/\.(?:png|gz|tgz|bin)$/.test(file) && file !== 'test/repository.test.ts')
    .flatMap((file) =>
      read(file)
        .split('\n')
        .flatMap((line, index) => (isOffence(line) ? [`${file}:${index + 1}`] : [])),
    )
}
