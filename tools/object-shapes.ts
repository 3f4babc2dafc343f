import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * `node tools/object-shapes.ts` writes packager/policies/data/object-shapes.json: how objects of Kubernetes' own kinds look to
 * admission, found out by defaulting and converting made-up objects with the API server's own code. The same pins, the same bytes.
 */
const root = join(import.meta.dirname, '..')
const module = join(root, 'tools/go/kube')
const go = (...args: readonly string[]) => execFileSync('go', args, { cwd: module, encoding: 'utf8' }).trim()

if (import.meta.main) {
  const api = go('list', '-m', '-f', '{{.Dir}}', 'k8s.io/api')
  const shapes: unknown = JSON.parse(go('run', './shapes', api))
  const file = join(root, 'packager/policies/data/object-shapes.json')
  writeFileSync(
    file,
    `${JSON.stringify(shapes, null, 2)}
`,
  )
}
