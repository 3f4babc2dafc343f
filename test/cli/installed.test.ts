import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { cpSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { parse } from 'yaml'
import { CATALOGUE } from '../../cli/catalogue.ts'
import { assertFails, runCommand, waybillHere } from './command.ts'
import { makeRepository, shopFiles } from './repository.ts'

const root = join(import.meta.dirname, '../..')
const folder = mkdtempSync(join(tmpdir(), 'waybill-installed-'))
after(() => rmSync(folder, { recursive: true }))

const home = join(folder, 'a home with spaces')
const installed = join(home, 'node_modules/waybill')
const repository = makeRepository(join(folder, 'a shop with spaces'))

/** Runs the command that npm linked, with nothing of this checkout near it. */
const run = (...args: readonly string[]) =>
  runCommand(join(home, 'node_modules/.bin/waybill'), args, { cwd: repository.folder })

const containers = `[{ name: c, image: "registry.example.com/acme/shop@sha256:${'0'.repeat(64)}" }]`
const pod = `apiVersion: v1\nkind: Pod\nmetadata: { name: p }\nspec: { containers: ${containers} }\n`

before(() => {
  repository.commit({ ...shopFiles('registry.example.com/acme/shop'), 'deploy/pod.yaml': pod })
  const tarball = packPackage()
  copyDependencies()
  writeFileSync(join(home, 'package.json'), '{ "private": true }\n')
  npm(home, 'install', '--offline', '--omit=optional', '--ignore-scripts', '--no-audit', '--no-fund', tarball)
})

test('what npm packs is the compiled sources, the data that they read, and nothing else', () => {
  const found = globSync('**/{*.*,LICENSE}', { cwd: installed })
  const data = globSync('{contract,packager,puller,cli}/**/data/*', { cwd: root })
  assert.deepEqual(found.filter((file) => !file.startsWith('dist/')).sort(), [
    'LICENSE',
    'README.md',
    'cli/waybill.js',
    'package.json',
  ])
  assert.deepEqual(
    found.filter((file) => file.startsWith('dist/') && !file.endsWith('.js')).sort(),
    data.map((file) => `dist/${file}`).sort(),
  )
})

test('an installed waybill says its version and its help, and refuses what is wrong', async () => {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  assert.deepEqual(await run('--version'), { status: 0, stdout: `${version}\n`, stderr: '' })
  const help = await run('pack', '--help')
  assert.equal(help.status, 0)
  assert.match(help.stdout, /waybill pack --out packed/)
  assertFails(await run('pcak'), 2, 'USAGE')
})

test('an installed waybill checks against the schemas that it ships, and packs to the same digest as its sources', async () => {
  const checked = await run('check')
  assert.equal(checked.status, 0, checked.stderr)
  const packed = await run('pack', '--out', '../packed', '--output', 'json')
  assert.equal(packed.status, 0, packed.stderr)
  const here = await waybillHere([
    'pack',
    '--repo',
    repository.folder,
    '--out',
    join(folder, 'here'),
    '--output',
    'json',
  ])
  assert.equal(JSON.parse(packed.stdout).digest, JSON.parse(here.stdout).digest)
  repository.commit({ 'deploy/pod.yaml': pod.replace('containers', 'contianers') })
  assertFails(await run('check'), 3, 'CHECK_FAILED')
})

test('every verb of an installed waybill loads, with nothing but what the package depends on', async () => {
  const load = `import { CATALOGUE } from './dist/cli/catalogue.js'
    for (const { load } of CATALOGUE) await load()
    console.log(CATALOGUE.length)`
  const ran = await runCommand(process.execPath, ['--input-type=module', '--eval', load], { cwd: installed })
  assert.deepEqual(ran, { status: 0, stdout: `${CATALOGUE.length}\n`, stderr: '' })
})

/** Packs a copy of the sources, so that nothing is written in this checkout, and no other test is disturbed. */
function packPackage(): string {
  const copy = join(folder, 'sources')
  const files = ['contract', 'packager', 'puller', 'cli', 'tools/dist.ts', 'package.json']
  for (const file of [...files, 'tsconfig.json', 'tsconfig.dist.json', 'README.md', 'LICENSE'])
    cpSync(join(root, file), join(copy, file), { recursive: true })
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))
  const [packed] = JSON.parse(npm(copy, 'pack', '--json', '--pack-destination', folder))
  return join(folder, packed.filename)
}

/** What the package depends on, of the versions of package-lock.json, as npm would have fetched and linked it. */
function copyDependencies(): void {
  const { packages } = parse(readFileSync(join(root, 'package-lock.json'), 'utf8'))
  for (const [path, { dev, optional }] of Object.entries<{ dev?: boolean; optional?: boolean }>(packages))
    if (path !== '' && !dev && !optional) cpSync(join(root, path), join(home, path), { recursive: true })
  const links = 'node_modules/.bin'
  cpSync(join(root, links), join(home, links), { recursive: true, verbatimSymlinks: true })
}

function npm(cwd: string, ...args: readonly string[]): string {
  mkdirSync(cwd, { recursive: true })
  const env = { PATH: process.env.PATH, HOME: folder, npm_config_cache: join(folder, 'cache') }
  return execFileSync('npm', [...args], { cwd, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
}
