import { BlockList, isIP } from 'node:net'

/** Link-local, and where clouds answer questions about the machine: no registry has a reason to send a reader there. */
const linkLocal = new BlockList()
linkLocal.addSubnet('169.254.0.0', 16, 'ipv4')
linkLocal.addAddress('100.100.100.200', 'ipv4')
linkLocal.addSubnet('fe80::', 10, 'ipv6')
linkLocal.addAddress('fd00:ec2::254', 'ipv6')

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addSubnet('0.0.0.0', 8, 'ipv4')
loopback.addAddress('::', 'ipv6')
loopback.addAddress('::1', 'ipv6')

/** How near an address is to this machine. IPv4 inside IPv6 counts as what it is. */
export type Nearness = 'loopback' | 'link-local' | 'network'

/** Of a literal address; anything else is taken for loopback, the strictest. */
export function nearnessOfAddress(address: string): Nearness {
  const version = isIP(address)
  if (version === 0) return 'loopback'
  const family = version === 4 ? 'ipv4' : 'ipv6'
  if (loopback.check(address, family)) return 'loopback'
  return linkLocal.check(address, family) ? 'link-local' : 'network'
}

/** Of a URL's host, by its text alone: names are looked up when connecting, and checked then. */
export function nearnessOfHost(hostname: string): Nearness {
  const bare = hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '')
  if (bare === 'localhost' || bare.endsWith('.localhost')) return 'loopback'
  if (bare === 'metadata.google.internal') return 'link-local'
  return isIP(bare) === 0 ? 'network' : nearnessOfAddress(bare)
}
