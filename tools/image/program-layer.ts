import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { WaybillError } from '../../contract/errors.ts'
import { listFiles } from '../../packager/disk.ts'
import { runProcess } from '../../packager/process.ts'
import { APP } from './image-config.ts'
import type { LayerEntry } from './tar-layer.ts'

/** What is taken as it is; the rest is compiled. */
export const PLAIN_FILES = ['cli/waybill.js', 'package.json', 'LICENSE'] as const

const compileMs = 300_000

/** The program as `npm pack` ships it, compiled into a folder of this build's own. @throws WaybillError TOOL_FAILED with tsc's words */
export async function programLayer(root: string): Promise<readonly LayerEntry[]> {
  const dist = await mkdtemp(join(tmpdir(), 'waybill-image-'))
  try {
    const { code, stdout, stderr } = await runProcess({
      command: process.execPath,
      args: [join(root, 'tools', 'dist.ts'), dist],
      env: {},
      cwd: root,
      timeoutMs: compileMs,
    })
    if (code !== 0)
      throw new WaybillError('TOOL_FAILED', `the program does not compile:\n${stderr}${Buffer.from(stdout)}`.trim(), {
        hint: 'Correct what tsc says above; `npm run check` says the same.',
      })
    const compiled = (await listFiles(dist)).map((file) => ({ from: join(dist, file), to: `dist/${file}` }))
    const plain = PLAIN_FILES.map((file) => ({ from: join(root, file), to: file }))
    return await Promise.all(
      [...plain, ...compiled].map(
        async ({ from, to }): Promise<LayerEntry> => ({
          kind: 'file',
          path: `${APP}/${to}`,
          bytes: await readFile(from),
        }),
      ),
    )
  } finally {
    await rm(dist, { recursive: true, force: true })
  }
}
