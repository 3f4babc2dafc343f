import assert from 'node:assert/strict'
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { clusterAt } from '../../real/cluster.ts'
import { openAuditTrail } from './audit-trail.ts'

test('every request counts once: a watch when it begins, everything else when it was answered', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'waybill-trail-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const auditLog = join(directory, 'audit.log')
  const line = (auditID: string, verb: string, stage: string, requestURI = '/api/v1/pods') =>
    `${JSON.stringify({
      ...{ auditID, verb, stage, requestURI, user: { username: 'ada' }, objectRef: { resource: 'pods' } },
      requestReceivedTimestamp: '2026-11-21T10:00:00.000250Z',
      stageTimestamp: '2026-11-21T10:00:00.500750Z',
    })}\n`
  writeFileSync(auditLog, line('0', 'get', 'ResponseComplete'))
  const address = { directory, server: '', caFile: '', kubeconfig: '', adminToken: '', userTokens: {}, kubectl: '' }
  const trail = await openAuditTrail({
    ...clusterAt({ ...address, auditLog }),
    // The server writes down the marker, as it writes down everything.
    api: async (_method, path) => {
      appendFileSync(auditLog, line(path, 'get', 'ResponseComplete', path))
      return { status: 200, body: {} }
    },
  })
  t.after(() => trail.close())
  const mark = await trail.mark()
  assert.equal(mark, 1)
  const watch = line('1', 'watch', 'ResponseStarted')
  appendFileSync(auditLog, watch.slice(0, 40))
  assert.deepEqual(await trail.first(mark, () => true, 20), undefined)
  appendFileSync(auditLog, watch.slice(40))
  appendFileSync(auditLog, line('2', 'list', 'ResponseStarted'))
  for (const [id, verb] of [
    ['1', 'watch'],
    ['2', 'list'],
  ] as const)
    appendFileSync(auditLog, line(id, verb, 'ResponseComplete'))
  const asked = await trail.since(mark)
  assert.deepEqual(
    asked.map(({ verb }) => verb),
    ['watch', 'list'],
  )
  const [first] = asked
  assert.ok(Math.abs((first?.endedMs ?? 0) - (first?.startedMs ?? 0) - 500.5) < 0.01)
})
