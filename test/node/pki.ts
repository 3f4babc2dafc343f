import { execFileSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { systemPath } from './packages.ts'

/** A certificate authority in a folder: `ca.crt` and `ca.key`. Made when it is not there yet. */
export function makeAuthority(folder: string, name: string): string {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const certificate = join(folder, 'ca.crt')
  if (existsSync(certificate)) return certificate
  openssl([
    ...fresh(name, join(folder, 'ca.key'), certificate),
    ...extension('basicConstraints=critical,CA:TRUE'),
    ...extension('keyUsage=critical,keyCertSign,cRLSign'),
  ])
  return certificate
}

/** `subject` as openssl writes it, such as /O=system:nodes/CN=system:node:a; `names` such as IP:10.96.0.1 or DNS:localhost. */
export type Certificate = { readonly file: string; readonly subject: string; readonly names?: readonly string[] }

/** Issues FILE.crt and FILE.key from the authority in the same folder, for servers and clients. Valid for 30 days. */
export function issue(folder: string, { file, subject, names = [] }: Certificate): void {
  openssl([
    ...fresh(subject, join(folder, `${file}.key`), join(folder, `${file}.crt`)),
    ...['-CA', join(folder, 'ca.crt'), '-CAkey', join(folder, 'ca.key')],
    ...extension('basicConstraints=critical,CA:FALSE'),
    ...extension('keyUsage=critical,digitalSignature'),
    ...extension('extendedKeyUsage=serverAuth,clientAuth'),
    ...(names.length === 0 ? [] : extension(`subjectAltName=${names.join(',')}`)),
  ])
}

/** The pair that signs the tokens of service accounts: `sa.key` and `sa.pub`. */
export function makeTokenKeys(folder: string): void {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  writeFileSync(join(folder, 'sa.pub'), publicKey.export({ type: 'spki', format: 'pem' }))
  writeFileSync(join(folder, 'sa.key'), privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 })
}

const extension = (text: string): readonly string[] => ['-addext', text]

function fresh(subject: string, key: string, certificate: string): readonly string[] {
  const pair = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', key]
  return ['req', '-x509', '-config', '/dev/null', '-days', '30', '-subj', subject, ...pair, '-out', certificate]
}

function openssl(args: readonly string[]): void {
  execFileSync('openssl', args, { env: { PATH: systemPath }, stdio: ['ignore', 'ignore', 'pipe'] })
}
