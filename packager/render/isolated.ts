import { WaybillError } from '../../contract/errors.ts'
import type { ToolName } from '../package-file.ts'
import { cleanEnvironment, type Env, findProgram } from '../process.ts'

/** A program that renders: an absolute path, and a folder of its own that has nothing in it. */
export type Renderer = { readonly command: string; readonly emptyDir: string }

/** Finds the program that WAYBILL_KUSTOMIZE or WAYBILL_HELM names, or else `name` on the PATH. @throws WaybillError TOOL_MISSING */
export async function findRenderer(name: ToolName, env: Env, emptyDir: string): Promise<Renderer> {
  const variable = `WAYBILL_${name.toUpperCase()}`
  try {
    return { command: await findProgram(env[variable] || name, env), emptyDir }
  } catch (cause) {
    const hint = `Install ${name} in the version that waybill.yaml pins, or name the program with ${variable}.`
    throw new WaybillError('TOOL_MISSING', cause instanceof Error ? cause.message : name, { cause, hint })
  }
}

/** An environment in which nothing can be started, no settings are found, and no address answers but those of this machine. */
export function isolated({ emptyDir }: Renderer): Env {
  const nowhere = 'http://127.0.0.1:1'
  const proxies = { HTTP_PROXY: nowhere, HTTPS_PROXY: nowhere, ALL_PROXY: nowhere }
  return { ...cleanEnvironment({ PATH: emptyDir }, emptyDir), ...proxies }
}

/** The version in what a program prints when it is asked: `5.8.2`; its first words where there is none. */
export function versionIn(stdout: Uint8Array): string {
  const text = Buffer.from(stdout).toString('utf8').trim()
  return /v?(\d+\.\d+\.\d+[0-9A-Za-z.-]*)/.exec(text)?.[1] ?? (text.slice(0, 40) || 'unknown')
}
