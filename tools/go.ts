import { execFile, spawn } from 'node:child_process'
import { promisify } from 'node:util'
import { WaybillError } from '../contract/errors.ts'

const run = promisify(execFile)
const goVersionMin = [1, 26] as const
const goHint =
  'Install it (https://go.dev/dl). etcd, kubectl and what Kubernetes runs may also stand in KUBEBUILDER_ASSETS.'
const buildHint =
  'The sources come through the Go module proxy: see that GOPROXY or HTTPS_PROXY leads to one, and run it again. What is built stays.'
const goFlags = '-mod=readonly -trimpath -buildvcs=false'

/**
 * Checks that the Go which would build `directory` (with any toolchain switch that its go.mod causes) is new enough.
 * Throws TOOL_MISSING, saying what is wrong, when there is none or an older one.
 */
export async function requireGo(directory: string, wanted: readonly string[]): Promise<void> {
  const need = `Go ${goVersionMin.join('.')} or newer builds ${wanted.join(', ')}`
  const version = await goVersion(directory).catch((cause: unknown) => {
    const why =
      cause instanceof Error && 'code' in cause && cause.code === 'ENOENT' ? 'there is no go on the PATH' : said(cause)
    throw new WaybillError('TOOL_MISSING', `${need}, and ${why}`, { cause, hint: goHint })
  })
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major > goVersionMin[0] || (major === goVersionMin[0] && minor >= goVersionMin[1])) return
  throw new WaybillError('TOOL_MISSING', `${need}, and the go on the PATH is ${version}`, { hint: goHint })
}

async function goVersion(directory: string): Promise<string> {
  const { stdout } = await run('go', ['env', 'GOVERSION'], { cwd: directory, env: goEnv() })
  return stdout.trim().replace(/^go/, '')
}

/** What `goBuild` is to build: the package `package` of the module in `directory` into the file `output`. */
export type GoBuild = {
  readonly directory: string
  readonly package: string
  readonly linkerFlags: string
  readonly output: string
}

/** Builds one program, without cgo, exactly from the go.mod that is committed. Throws TOOL_FAILED with Go's last words. */
export async function goBuild(build: GoBuild): Promise<void> {
  const args = ['build', `-ldflags=${build.linkerFlags}`, '-o', build.output, build.package]
  const child = spawn('go', args, { cwd: build.directory, env: goEnv(), stdio: ['ignore', 'ignore', 'pipe'] })
  const kill = () => void child.kill()
  process.once('exit', kill)
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-20_000)
  })
  const code = await new Promise<number | null>((resolve, reject) => child.once('error', reject).once('close', resolve))
  process.off('exit', kill)
  if (code === 0) return
  const words = stderr.split('\n').filter((line) => line !== '' && !line.startsWith('go: downloading'))
  throw new WaybillError('TOOL_FAILED', `go build ${build.package} failed:\n${words.slice(-20).join('\n')}`, {
    hint: buildHint,
  })
}

function goEnv(): NodeJS.ProcessEnv {
  return { ...process.env, CGO_ENABLED: '0', GOWORK: 'off', GOFLAGS: goFlags }
}

function said(error: unknown): string {
  return error instanceof Error ? error.message.trim().split('\n').slice(-1).join('') : String(error)
}
