/** Where things are on every node. It has a network of its own, so that these never collide with the machine's or another node's. */
export const NODE = {
  name: 'node',
  /** The node's address: what kubelet listens on. */
  address: '192.168.77.2',
  /** Across the network, as far as kubelet and pods can tell: the API server and the registry. */
  controlAddress: '192.168.77.1',
  apiPort: 6443,
  registryPort: 5000,
  kubeletPort: 10250,
  pods: '10.244.0.0/24',
  services: '10.96.0.0/16',
  /** Of the Service `kubernetes`. */
  apiServiceAddress: '10.96.0.1',
} as const

/** `host:port` of the registry. */
export const REGISTRY = `${NODE.controlAddress}:${NODE.registryPort}`
