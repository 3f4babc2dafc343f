import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hasCode } from '../../../contract/errors.ts'
import { parseImageName } from '../../../packager/lock/image-name.ts'

test('short names are those that container runtimes make of them', () => {
  const expected = {
    nginx: 'docker.io/library/nginx:latest',
    'nginx:1.27': 'docker.io/library/nginx:1.27',
    'grafana/grafana:12.0': 'docker.io/grafana/grafana:12.0',
    'docker.io/nginx': 'docker.io/library/nginx:latest',
    'index.docker.io/library/nginx:1': 'docker.io/library/nginx:1',
    'registry.example.com/nginx': 'registry.example.com/nginx:latest',
    'registry:5000/acme/api:v1': 'registry:5000/acme/api:v1',
    'localhost/api:v1': 'localhost/api:v1',
  }
  for (const [image, name] of Object.entries(expected)) assert.equal(parseImageName(image).name, name, image)
})

test('what no runtime could pull is refused', () => {
  for (const image of ['', 'Nginx', 'nginx:', 'nginx: 1', ':1', 'a//b', 'registry.example.com/a:b:c', 'nginx@sha256:1'])
    assert.throws(
      () => parseImageName(image),
      (error) => hasCode(error, 'REFERENCE_INVALID', 'DIGEST_INVALID'),
      image,
    )
})
