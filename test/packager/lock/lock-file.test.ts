import assert from 'node:assert/strict'
import { test } from 'node:test'
import { digestOf } from '../../../contract/digest.ts'
import { LIMITS } from '../../../contract/limits.ts'
import { readLock, writeLock } from '../../../packager/lock/lock-file.ts'
import { lockText } from './lock-repository.ts'

const [one, two] = [digestOf('1'), digestOf('2')]
const API = 'registry.example.com/acme/api:1.4'
const NGINX = 'docker.io/library/nginx:1.27'

const faultsOf = (text: string) =>
  readLock(Buffer.from(text)).faults.map(({ code, line, message }) => `${code} ${line} ${message}`)

test('a lock file is sorted, two lines an image, and reads back as what was written', () => {
  const images = new Map([
    [API, one],
    [NGINX, two],
    ['[::1]:5000/acme/api:1', two],
  ])
  const text = writeLock(images)
  assert.match(text, new RegExp(`images:\n.*\n.*\n  - name: ${NGINX}\n    digest: ${two}\n  - name: ${API}\n`))
  assert.deepEqual(readLock(Buffer.from(text)), { images: new Map([...images].sort()), faults: [] })
  assert.deepEqual(readLock(Buffer.from(writeLock(new Map()))), { images: new Map(), faults: [] })
})

test('every fault of a lock file is told with its line, and the entries that are right still count', () => {
  const text = lockText({ [API]: one, [NGINX]: 'sha256:short', 'nginx:1.26': two })
  assert.deepEqual(faultsOf(text), [
    'LOCK_INVALID 7 images.1.digest: a digest sha256:<64 hex digits>',
    'LOCK_INVALID 8 write it in full: docker.io/library/nginx:1.26',
  ])
  assert.deepEqual([...readLock(Buffer.from(text)).images], [[API, one]])
})

test('an entry without a digest, one that stands twice, a field that is none and a conflict of Git are faults', () => {
  const entry = `  - name: ${API}\n    digest: ${one}\n`
  const start = 'apiVersion: waybill.dev/v1alpha1\nkind: ImageLock\nimages:\n'
  assert.match(faultsOf(`${start}  - name: ${API}\n`)[0] ?? '', /^LOCK_INVALID 4 images\.0\.digest: /)
  assert.match(faultsOf(`${start}${entry}${entry}`)[0] ?? '', /^LOCK_INVALID 6 .* stands here twice$/)
  assert.match(faultsOf(`${start}${entry}    platform: x\n`)[0] ?? '', /^LOCK_INVALID 4 .*platform/)
  assert.match(faultsOf(`${start}  - name: ${API}@${one}\n    digest: ${one}\n`)[0] ?? '', /is not an image with a tag/)
  assert.match(faultsOf(`${start}<<<<<<< HEAD\n${entry}=======\n${entry}>>>>>>> b\n`)[0] ?? '', /^YAML_INVALID/)
  assert.match(faultsOf(start.replace('ImageLock', 'Package'))[0] ?? '', /^LOCK_INVALID 2 kind: /)
  assert.match(faultsOf('')[0] ?? '', /exactly one document/)
  assert.match(faultsOf(`#${' '.repeat(LIMITS.lockFileBytesMax)}`)[0] ?? '', /over 1048576 bytes/)
})
