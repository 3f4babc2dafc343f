import assert from 'node:assert/strict'
import { cpSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ensureTools, pathWith } from '../../tools/build.ts'
import { NODE } from '../node/addresses.ts'
import type { ClusterNode } from '../node/node.ts'
import { tempFolder } from '../packager/repository.ts'

const ROOT = join(import.meta.dirname, '../..')

/** Somebody at a desk who types what the pages say, in a checkout of Waybill, word by word. */
export type Reader = {
  /** The folder that holds the checkout, and what the pages put beside it. */
  readonly folder: string
  /** Types the blocks of a page that are marked so, one after the other, in a shell that stops at the first error. Returns what was printed. */
  follow(page: string, mark: string, settings?: Readonly<Record<string, string>>): Promise<string>
  /** The commands of these blocks; one that is continued over several lines is one. */
  commands(page: string, mark: string): readonly string[]
}

/** Where a lab differs from the world of the pages: the registry has a name and a certificate of its own, and ports that others do not have. */
const PREAMBLE = `set -eu -o pipefail
npm() {
  if [ "$1" = ci ]; then return 0; fi
  node "$CHECKOUT/tools/image/main.ts" dist/image
}
oras() {
  local verb=$1
  shift
  case $verb in
    copy) command oras copy --to-ca-file "$REGISTRY_CA" "$@" ;;
    *) command oras "$verb" --ca-file "$REGISTRY_CA" "$@" ;;
  esac
}
npx() {
  local verb=$2
  shift 2
  case $verb in
    publish | verify | show | diff) node "$CHECKOUT/cli/waybill.js" "$verb" --ca-file "$REGISTRY_CA" "$@" ;;
    install)
      case "$*" in *--image*) set -- $LAB_INSTALL "$@" ;; esac
      node "$CHECKOUT/cli/waybill.js" "$verb" "$@"
      ;;
    *) node "$CHECKOUT/cli/waybill.js" "$verb" "$@" ;;
  esac
}
`

/** A reader with a new checkout, whose example runs `image`, which the node can pull. */
export function newReader(node: ClusterNode, image: string): Promise<Reader> {
  const folder = tempFolder()
  const examples = join(folder, 'waybill/examples')
  cpSync(join(ROOT, 'examples'), examples, { recursive: true })
  const hello = join(examples, 'hello/deploy/hello.yaml')
  writeFileSync(hello, readFileSync(hello, 'utf8').replace(/image: registry\.k8s\.io\/pause:\S+/, `image: ${image}`))
  return readerAt(node, folder)
}

/** The same reader, and what is in the folder already, with another cluster. */
export async function readerAt(node: ClusterNode, folder: string): Promise<Reader> {
  const checkout = join(folder, 'waybill')
  const blocks = (page: string, mark: string) => {
    const found = readFileSync(join(ROOT, page), 'utf8').matchAll(
      new RegExp(`^\`\`\`sh ${mark}\\n(.*?)^\`\`\`$`, 'gms'),
    )
    const texts = [...found].map(([, block]) => block ?? '')
    assert.ok(texts.length > 0, `${page} has no block that is marked "sh ${mark}"`)
    return texts.join('')
  }
  const { oras } = await ensureTools(['oras'])
  return {
    folder,
    commands: (page, mark) =>
      blocks(page, mark)
        .replaceAll('\\\n', '')
        .split('\n')
        .filter((line) => line.trim() !== ''),
    follow: async (page, mark, settings = {}) => {
      const script = join(mkdtempSync(join(folder, 'script-')), 'script.sh')
      const told = blocks(page, mark).replaceAll('registry.example.com/acme', `${node.registry}/acme`)
      writeFileSync(script, PREAMBLE + told)
      const env = {
        ...process.env,
        CHECKOUT: ROOT,
        HOME: folder,
        KUBECONFIG: node.kubeconfig,
        PATH: pathWith({ ...node.tools, oras }),
        REGISTRY: `${node.registry}/acme`,
        REGISTRY_CA: node.registryCa,
        LAB_INSTALL: `--ca-file ${node.registryCa} --egress-port ${NODE.registryPort}`,
        GIT_CONFIG_COUNT: '2',
        GIT_CONFIG_KEY_0: 'user.name',
        GIT_CONFIG_VALUE_0: 'Ada',
        GIT_CONFIG_KEY_1: 'user.email',
        GIT_CONFIG_VALUE_1: 'ada@example.com',
        ...settings,
      }
      const ran = await node.run('bash', ['-x', script], { cwd: checkout, env })
      assert.equal(ran.status, 0, `${page}, ${mark}:\n${ran.stdout}\n${ran.stderr}`)
      return ran.stdout
    },
  }
}
