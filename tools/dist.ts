import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, globSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'

/**
 * `node tools/dist.ts [FOLDER]` writes what `npm pack` ships, dist/ where nothing else is said: the sources compiled by tsc, and
 * beside them the data that they read. Nothing is written where a type is wrong.
 */
const root = dirname(import.meta.dirname)
const folder = process.argv[2] ?? join(root, 'dist')
rmSync(folder, { recursive: true, force: true })
const tsc = join(root, 'node_modules', 'typescript', JSON.parse(textOf('node_modules/typescript/package.json')).bin.tsc)
const { status } = spawnSync(process.execPath, [tsc, '--project', 'tsconfig.dist.json', '--outDir', folder], {
  cwd: root,
  stdio: ['ignore', 2, 2],
})
if (status !== 0) process.exit(status ?? 1)
const rooms = '{contract,packager,puller,cli}'
for (const data of globSync(`${rooms}/**/data/*`, { cwd: root })) cpSync(join(root, data), join(folder, data))
const missing = globSync(`${rooms}/**/*.ts`, { cwd: root })
  .map((source) => join(folder, source.replace(/\.ts$/, '.js')))
  .filter((file) => !existsSync(file))
if (missing.length > 0) throw new Error(`not compiled: ${missing.join(', ')}`)

function textOf(path: string): string {
  return readFileSync(join(root, path), 'utf8')
}
