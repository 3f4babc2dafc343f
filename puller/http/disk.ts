import { readFile } from 'node:fs/promises'

/** A secret that a file holds, as a mounted Secret: it may be replaced at any time. Without the white space around it. */
export async function readSecretFile(path: string): Promise<string> {
  return (await readFile(path, 'utf8')).trim()
}
