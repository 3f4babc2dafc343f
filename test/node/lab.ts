// node test/node/lab.ts [COMMAND ARG…]: starts a node, and in its network COMMAND, or a shell, until that ends; then the node is gone.
import { pathWith } from '../../tools/build.ts'
import { shopImages } from './images.ts'
import { hand } from './namespaces.ts'
import { startNode } from './start.ts'

const node = await startNode()
const { kubeconfig, registry, registryCa } = node
const images = await shopImages(node)
const [command = process.env.SHELL ?? '/bin/sh', ...args] = process.argv.slice(2)
process.stdout.write(`KUBECONFIG ${kubeconfig}
registry   ${registry}, trusted with ${registryCa}
images     ${Object.values(images).join('\n           ')}
logs       ${node.folder}/*.log
from another terminal:  nsenter --net=/proc/${node.pid}/ns/net env KUBECONFIG=${kubeconfig} ${node.tools.kubectl} get pods -A
`)
process.on('SIGINT', () => {})
const env = { ...process.env, KUBECONFIG: kubeconfig, PATH: pathWith(node.tools) }
process.exitCode = (await hand(node.pid, command, args, env)) ?? 1
await node.stop()
