import { generateKeyPairSync, sign, verify } from 'node:crypto'
import { lookup } from 'node:dns/promises'
import { readFileSync, writeFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { connect, createServer, rootCertificates } from 'node:tls'

/** Runs in the image: does what the puller needs a C library, OpenSSL and the files beside them for, and says how it went. */
const [cert, key] = ['crt', 'key'].map((end) => readFileSync(`/app/loopback.${end}`, 'utf8'))
const addresses: string[] = []
for (const name of process.argv.slice(2)) addresses.push((await lookup(name, { family: 4 })).address)
const server = createServer({ cert, key }, (socket) => socket.end('over TLS'))
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
const address = server.address()
const port = typeof address === 'object' ? (address?.port ?? 0) : 0
const heard = await text(connect({ host: '127.0.0.1', port, ca: cert }))
server.close()
const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const isSigned = verify('sha256', Buffer.from('a'), publicKey, sign('sha256', Buffer.from('a'), privateKey))
const roots = readFileSync('/etc/ssl/certs/ca-certificates.crt', 'utf8').match(/BEGIN CERTIFICATE/g) ?? []
const mayWrite = (path: string) => {
  try {
    writeFileSync(path, '')
    return true
  } catch {
    return false
  }
}
const writable = ['/tmp/a', '/var/cache/waybill/a', '/app/a', '/etc/a', '/a'].filter(mayWrite)
const hasRoots = roots.length > 50 && roots.length === rootCertificates.length
process.stdout.write(JSON.stringify({ addresses, heard, isSigned, hasRoots, writable }))
