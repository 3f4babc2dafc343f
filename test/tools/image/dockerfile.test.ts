import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { APP, IMAGE_CONFIG, USER, WRITABLE } from '../../../tools/image/image-config.ts'
import { NODE_PATH } from '../../../tools/image/node-runtime.ts'
import { PLAIN_FILES } from '../../../tools/image/program-layer.ts'

const ROOT = join(import.meta.dirname, '..', '..', '..')
const read = (file: string) => readFileSync(join(ROOT, file), 'utf8')

type Instruction = { readonly name: string; readonly words: string }

const stages = read('Dockerfile')
  .split(/^(?=FROM )/m)
  .slice(1)
  .map((text) => text.split('\n').filter((line) => /^[A-Z]+ /.test(line)))
  .map((lines) =>
    lines.map((line): Instruction => ({ name: line.split(' ', 1).join(''), words: line.replace(/^\S+ /, '') })),
  )
const [build = [], final = []] = stages
const said = (stage: readonly Instruction[], name: string) =>
  stage.filter((one) => one.name === name).map(({ words }) => words)
const copied = (stage: readonly Instruction[]) =>
  said(stage, 'COPY').map((words) => words.split(' ').filter((word) => !word.startsWith('--')))

test('an image that Docker builds is run as the one that npm run image builds', () => {
  assert.equal(stages.length, 2)
  const [entrypoint, command] = [said(final, 'ENTRYPOINT'), said(final, 'CMD')].map(([words]) =>
    JSON.parse(words ?? ''),
  )
  assert.deepEqual(
    {
      Entrypoint: entrypoint,
      Cmd: command,
      Env: said(final, 'ENV').toSorted(),
      User: said(final, 'USER').at(-1),
      WorkingDir: said(final, 'WORKDIR').at(-1),
    },
    IMAGE_CONFIG,
  )
  assert.deepEqual(said(final, 'RUN'), [])
})

test('an image that Docker builds has the same files in /app, and the same cache folder', () => {
  const targets = copied(final).map((words) => words.at(-1))
  const app = [...PLAIN_FILES, 'dist', 'node_modules'].map((file) => `${APP}/${file}`)
  assert.deepEqual(targets.toSorted(), [NODE_PATH, WRITABLE.cache, ...app].toSorted())
  const cache = said(final, 'COPY').find((words) => words.endsWith(WRITABLE.cache))
  assert.match(cache ?? '', new RegExp(`--chown=${USER.id}:${USER.id} `))
})

test('an image that Docker builds has the Node that package.json asks for', () => {
  const { engines, optionalDependencies } = JSON.parse(read('package.json'))
  const major = /^FROM node:(\d+)-/.exec(`FROM ${said(build, 'FROM')[0]}`)?.[1]
  const wanted = [engines.node, ...Object.values<string>(optionalDependencies)].map((text) => /\d+/.exec(text)?.[0])
  assert.deepEqual(new Set(wanted), new Set([major]))
})

test('Docker is sent what the Dockerfile copies, and nothing else', () => {
  const sent = read('.dockerignore').split('\n').filter(Boolean)
  assert.equal(sent[0], '*')
  const sources = copied(build).flatMap((words) => words.slice(0, -1))
  assert.deepEqual(sent.slice(1).toSorted(), sources.map((source) => `!${source}`).toSorted())
})
