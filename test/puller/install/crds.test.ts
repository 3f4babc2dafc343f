import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isJsonObject, type Json } from '../../../contract/canonical-json.ts'
import { crdObjects } from '../../../puller/install/crds.ts'

/** Every schema inside this one that holds a pattern, and every rule that stands for one. */
function found(schema: Json | undefined, path: string): readonly string[] {
  if (Array.isArray(schema)) return schema.flatMap((one) => found(one, path))
  if (!isJsonObject(schema)) return []
  const own = [
    ...(typeof schema.pattern === 'string' ? [`${path}: pattern`] : []),
    ...(typeof schema.rule === 'string' && schema.rule.startsWith('self.matches(')
      ? [`${path}: ${String(schema.message).slice(0, 10)}`]
      : []),
  ]
  return [...own, ...Object.entries(schema).flatMap(([name, one]) => found(one, `${path}.${name}`))]
}

test('what people write is refused in words, not by a pattern that they are shown', () => {
  const specs = crdObjects()
    .filter(({ metadata }) => /^(deliveries|trustpolicies)\./.test(metadata.name))
    .map(({ spec }) => JSON.stringify(spec))
    .map((text): Json => JSON.parse(text))
  assert.equal(specs.length, 2)
  const written = specs.flatMap((spec) => found(spec, '')).filter((at) => !at.includes('.properties.status.'))
  assert.ok(written.length > 20, written.join('\n'))
  assert.deepEqual(
    written.filter((at) => !at.endsWith(': has to be ')),
    [],
  )
})
