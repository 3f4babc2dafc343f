import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { startControlPlane } from './real/control-plane.ts'
import { startRegistry } from './real/registry.ts'
import { useTools } from './real/tools.ts'

const ROOT = join(import.meta.dirname, '..')
const folder = mkdtempSync(join(tmpdir(), 'waybill-readme-'))
after(() => rmSync(folder, { recursive: true }))

/** The blocks of README.md that make up the quickstart, as one script. */
function quickstart(): string {
  const blocks = [...readFileSync(join(ROOT, 'README.md'), 'utf8').matchAll(/^```sh quickstart\n(.*?)^```$/gms)]
  return blocks.map(([, block]) => block ?? '').join('\n')
}

/**
 * The registry of the test speaks plain HTTP and has its own address; that is all that differs from what README says.
 * `npx waybill` runs this checkout wherever the script stands.
 */
function preamble(): string {
  return `set -eu -o pipefail
npx() {
  local verb=$2
  shift 2
  case $verb in
    publish | verify | show | puller) node "$CHECKOUT/cli/waybill.js" "$verb" --plain-http "$@" ;;
    *) node "$CHECKOUT/cli/waybill.js" "$verb" "$@" ;;
  esac
}
`
}

test('the commands of README take a first artifact from a commit to a cluster and back', {
  timeout: 240_000,
}, async () => {
  const tools = await useTools('oras', 'kubectl')
  const registry = await startRegistry({ kind: 'distribution' })
  const plane = await startControlPlane({ controllers: true, scheduler: false, kwok: false })
  try {
    const checkout = join(folder, 'waybill')
    mkdirSync(checkout)
    const told = quickstart()
    assert.match(told, /^export REGISTRY=registry\.example\.com\/acme$/m)
    const script = join(folder, 'quickstart.sh')
    writeFileSync(script, preamble() + told.replace('registry.example.com/acme', `${registry.host}/acme`))
    const output = await run('bash', [script], checkout, {
      CHECKOUT: ROOT,
      KUBECONFIG: plane.kubeconfig,
      HOME: folder,
      PATH: `${join(tools.kubectl, '..')}:${process.env.PATH}`,
      GIT_CONFIG_COUNT: '2',
      GIT_CONFIG_KEY_0: 'user.name',
      GIT_CONFIG_VALUE_0: 'Ada',
      GIT_CONFIG_KEY_1: 'user.email',
      GIT_CONFIG_VALUE_1: 'ada@example.com',
    })
    assert.match(output, /^Hello$/m)
    assert.match(output, /^shop +shop +production +True +1\.0\.0 .* held /m)
    assert.match(output, /RolledBack/)
    assert.match(output, /shop\/shop: \d+ records, whole and in order/)
    const greeting = await plane.runKubectl(['get', 'configmap', 'settings', '-n', 'shop', '-o', 'jsonpath={.data}'])
    assert.deepEqual(JSON.parse(greeting), { greeting: 'Hello' })
  } finally {
    await plane.stop()
    await registry.stop()
  }
})

/** Runs to the end; its output. Fails with all of it when the exit status is not 0. */
function run(
  command: string,
  args: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>>,
): Promise<string> {
  const child = spawn(command, [...args], { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (status) => (status === 0 ? resolve(output) : reject(new Error(`exit ${status}\n${output}`))))
  })
}
