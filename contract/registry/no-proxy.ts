import { BlockList, isIP } from 'node:net'

/**
 * True where NO_PROXY says to go directly, by the rules of Go's `golang.org/x/net/http/httpproxy`, which oras and containerd follow: names
 * count with all below them, `.example.com` and `*.example.com` only below; addresses, CIDR blocks and `*`; each but CIDR with a port or without.
 */
export function bypassesProxy(noProxy: string, url: URL): boolean {
  const host = url.hostname.replace(/^\[|\]$/g, '').toLowerCase()
  const port = url.port || (url.protocol === 'https:' ? '443' : '80')
  return noProxy
    .split(',')
    .map((entry) => entry.trim().toLowerCase())
    .some((entry) => entry !== '' && covers(entry, host, port))
}

function covers(entry: string, host: string, port: string): boolean {
  if (entry === '*') return true
  if (entry.includes('/')) return inBlock(entry, host)
  const [name, wanted] = parted(entry)
  if (wanted !== undefined && wanted !== port) return false
  if (isIP(name) !== 0 || isIP(host) !== 0) return name === host
  const below = name.startsWith('*.') ? name.slice(1) : name
  return below.startsWith('.') ? host.endsWith(below) : host === below || host.endsWith(`.${below}`)
}

function inBlock(entry: string, host: string): boolean {
  const [address = '', bits = ''] = entry.split('/')
  const family = { 4: 'ipv4', 6: 'ipv6' } as const
  const [of, found] = [isIP(address), isIP(host)]
  if ((of !== 4 && of !== 6) || of !== found || !/^\d{1,3}$/.test(bits) || Number(bits) > (of === 4 ? 32 : 128))
    return false
  const block = new BlockList()
  block.addSubnet(address, Number(bits), family[of])
  return block.check(host, family[of])
}

function parted(entry: string): readonly [string, string | undefined] {
  const bracketed = /^\[(.+)\](?::(\d+))?$/.exec(entry)
  if (bracketed !== null) return [bracketed[1] ?? '', bracketed[2]]
  if (isIP(entry) !== 0) return [entry, undefined]
  const [, name, port] = /^(.*?)(?::(\d+))?$/.exec(entry) ?? []
  return [name ?? entry, port]
}
