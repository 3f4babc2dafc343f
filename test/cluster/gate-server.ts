// node gate-server.ts FOLDER PORT ALLOWED: an admission webhook that says yes ALLOWED times, then nothing until GET /open; GET /held
// says how many wait, GET /end ends it. FOLDER has gate.crt and gate.key.
import { readFileSync } from 'node:fs'
import { createServer } from 'node:https'
import { join } from 'node:path'
import { json } from 'node:stream/consumers'
import { field } from '../real/cluster.ts'

const [folder = '', port, allowed] = process.argv.slice(2)
const opened = Promise.withResolvers<void>()
let said = 0
let held = 0

const pair = { cert: readFileSync(join(folder, 'gate.crt')), key: readFileSync(join(folder, 'gate.key')) }
createServer(pair, async (request, response) => {
  if (request.url === '/open') opened.resolve()
  if (request.url === '/end') setImmediate(() => process.exit())
  if (request.method === 'GET') return response.end(String(held))
  const review = field(await json(request), 'request')
  if (field(review, 'dryRun') !== true && ++said > Number(allowed)) {
    held++
    await opened.promise
    held--
  }
  response.setHeader('content-type', 'application/json')
  const answer = { uid: field(review, 'uid'), allowed: true }
  response.end(JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', response: answer }))
}).listen(Number(port), '127.0.0.1')
