import { z } from 'zod'

/** ValidatingAdmissionPolicy and its binding of admissionregistration.k8s.io/v1, as far as CI needs them: what the API server refuses is refused. */
const text = z.string().min(1)

const selectorSchema = z.strictObject({
  matchLabels: z.record(z.string(), z.string()).optional(),
  matchExpressions: z
    .array(
      z
        .strictObject({
          key: text,
          operator: z.enum(['In', 'NotIn', 'Exists', 'DoesNotExist']),
          values: z.array(z.string()).optional(),
        })
        .refine(
          ({ operator, values = [] }) => operator.endsWith('In') === values.length > 0,
          'In and NotIn take values, and the others none',
        ),
    )
    .optional(),
})

const ruleSchema = z.strictObject({
  apiGroups: z.array(z.string()).min(1),
  apiVersions: z.array(text).min(1),
  operations: z.array(z.enum(['CREATE', 'UPDATE', 'DELETE', 'CONNECT', '*'])).min(1),
  resources: z.array(text).min(1),
  resourceNames: z.array(text).optional(),
  scope: z.enum(['*', 'Cluster', 'Namespaced']).optional(),
})

const matchSchema = z.strictObject({
  matchPolicy: z.enum(['Exact', 'Equivalent']).optional(),
  namespaceSelector: selectorSchema.optional(),
  objectSelector: selectorSchema.optional(),
  resourceRules: z.array(ruleSchema).optional(),
  excludeResourceRules: z.array(ruleSchema).optional(),
})

const named = z.strictObject({ name: text, expression: text })

export const policySchema = z.strictObject({
  failurePolicy: z.enum(['Fail', 'Ignore']).default('Fail'),
  paramKind: z.strictObject({ apiVersion: text, kind: text }).optional(),
  matchConstraints: matchSchema.refine(
    ({ resourceRules = [] }) => resourceRules.length > 0,
    'resourceRules are required',
  ),
  matchConditions: z.array(named).max(64).default([]),
  variables: z
    .array(named.refine(({ name }) => /^[_a-zA-Z][_a-zA-Z0-9]*$/.test(name), 'name must be an identifier of CEL'))
    .default([]),
  validations: z
    .array(
      z.strictObject({
        expression: text,
        message: text.refine((message) => !/[\n\r]/.test(message.trim()), 'must not contain line breaks').optional(),
        messageExpression: text.optional(),
        reason: z.enum(['Unauthorized', 'Forbidden', 'Invalid', 'RequestEntityTooLarge']).optional(),
      }),
    )
    .default([]),
  auditAnnotations: z
    .array(z.strictObject({ key: text, valueExpression: text }))
    .max(20)
    .default([]),
})

export const bindingSchema = z.strictObject({
  policyName: text,
  paramRef: z
    .strictObject({
      name: text.optional(),
      namespace: text.optional(),
      selector: selectorSchema.optional(),
      parameterNotFoundAction: z.enum(['Allow', 'Deny']),
    })
    .optional(),
  matchResources: matchSchema.optional(),
  validationActions: z
    .array(z.enum(['Deny', 'Warn', 'Audit']))
    .min(1)
    .refine((actions) => new Set(actions).size === actions.length, 'each action once')
    .refine((actions) => !(actions.includes('Deny') && actions.includes('Warn')), 'not both Deny and Warn'),
})

export type PolicySpec = z.infer<typeof policySchema>
export type BindingSpec = z.infer<typeof bindingSchema>
export type MatchResources = z.infer<typeof matchSchema>
export type Rule = z.infer<typeof ruleSchema>
export type Selector = z.infer<typeof selectorSchema>
