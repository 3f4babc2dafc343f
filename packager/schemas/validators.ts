import assert from 'node:assert/strict'
import type { JsonObject } from '../../contract/canonical-json.ts'
import { crdValidator, type Validate, validatorsOf } from '../../contract/schema/validate.ts'
import type { Kubernetes } from './builtins.ts'

/** Validators of one check; each is compiled when its first object comes. */
export type Validators = {
  /** By a definition's name. */
  readonly builtin: (definition: string) => Validate
  /** By the schema of a CRD's version; undefined where JavaScript cannot follow it. */
  readonly custom: (schema: JsonObject) => Validate | undefined
}

const META = 'io.k8s.apimachinery.pkg.apis.meta.v1.'

export function createValidators({ builtins: { definitions } }: Kubernetes): Validators {
  const meta = Object.fromEntries(Object.entries(definitions).filter(([name]) => name.startsWith(META)))
  const builtin = validatorsOf(definitions)
  const custom = new Map<JsonObject, Validate | undefined>()
  return {
    builtin: (definition) => {
      const validate = builtin(definition)
      assert.ok(validate !== undefined, definition)
      return validate
    },
    custom: (schema) => {
      if (custom.has(schema)) return custom.get(schema)
      const validate = crdValidator(schema, { $ref: `#/$defs/${META}ObjectMeta` }, meta)
      custom.set(schema, validate)
      return validate
    },
  }
}
