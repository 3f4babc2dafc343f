import assert from 'node:assert/strict'
import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { Header } from 'tar'
import { hasCode } from '../../../../contract/errors.ts'
import { parseChart } from '../../../../packager/render/helm/chart.ts'
import { readChart, unpack } from '../../../../packager/render/helm/chart-files.ts'
import { mentionsIn } from '../../../../packager/render/helm/templates.ts'
import { failureOf } from '../../../../packager/render/helm/words.ts'

function tarOf(files: Readonly<Record<string, Buffer>>): Buffer {
  const entries = Object.entries(files).flatMap(([path, bytes]) => {
    const header = new Header({ path, size: bytes.length, type: 'File', mode: 0o644, mtime: new Date(0) })
    const block = Buffer.alloc(512)
    header.encode(block)
    return [block, bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)]
  })
  return Buffer.concat([...entries, Buffer.alloc(1024)])
}

test('an archive that is packed twice is no chart: what it unpacks to would have no bound', async () => {
  const tar = tarOf({ 'a/Chart.yaml': Buffer.from('name: a') })
  assert.deepEqual([...((await unpack(gzipSync(tar))) ?? new Map()).keys()], ['Chart.yaml'])
  assert.equal(await unpack(gzipSync(gzipSync(tar))), undefined)
})

test('archives in archives, ten in each, are given up before they fill the memory', async () => {
  const chartYaml = Buffer.from('apiVersion: v2\nname: a\nversion: 1.0.0\n')
  let archive = gzipSync(tarOf({ 'a/Chart.yaml': chartYaml }))
  for (let depth = 0; depth < 4; depth++) {
    const ten = Array.from({ length: 10 }, (_, i) => [`a/charts/c${i}.tgz`, archive])
    archive = gzipSync(tarOf({ 'a/Chart.yaml': chartYaml, ...Object.fromEntries(ten) }))
  }
  const files = (await unpack(archive)) ?? new Map()
  await assert.rejects(parseChart(files, 'a.tgz', true), (error) => hasCode(error, 'LIMIT_EXCEEDED'))
})

test('links that name two folders, which name two folders each, are given up before they have no end', async () => {
  const root = await realpath(await mkdtemp(join(tmpdir(), 'waybill-test-')))
  try {
    for (let i = 0; i <= 18; i++) {
      await mkdir(join(root, `chart/d${i}`), { recursive: true })
      await writeFile(join(root, `chart/d${i}/file`), '')
      if (i > 0) for (const side of ['l', 'r']) await symlink(`../d${i}`, join(root, `chart/d${i - 1}/${side}`))
    }
    await assert.rejects(readChart({ root, unusable: new Map() }, 'production', 'chart'), (error) =>
      hasCode(error, 'LIMIT_EXCEEDED'),
    )
  } finally {
    await rm(root, { recursive: true, force: true })
  }
})

test('a template of a million braces, quotes or comments without an end is looked through once', () => {
  const words = /\b(?:now|ago)\b/g
  const wordsIn = (text: string) => mentionsIn(Buffer.from(text), words).map(({ word, line }) => `${word}:${line}`)
  assert.deepEqual(wordsIn(`{{ now }}\n${'{{'.repeat(1_000_000)}`), ['now:1'])
  assert.deepEqual(wordsIn(`{{${'"\\'.repeat(500_000)}\n| now }}`), ['now:2'])
  assert.deepEqual(wordsIn(`{{${' now\n'.repeat(1_000_000)}}}`).at(-1), 'now:1000')
  assert.deepEqual(wordsIn('{{ eq \'"\' now }}\n{{/* ago */}}{{ "now" }}{{ `ago` }}{{ ago }}'), ['now:1', 'ago:2'])
})

test('a long message of helm, which a chart may choose, is read only as far as it is told', async () => {
  const chart = await parseChart(new Map([['Chart.yaml', Buffer.from('name: a')]]), 'a', false)
  const { code } = failureOf(`Error: ${'a'.repeat(5_000_000)}`, chart, 'production')
  assert.equal(code, 'RENDER_FAILED')
})
