import type { Json, JsonObject } from '../../../contract/canonical-json.ts'

const text = { type: 'string', maxLength: 50 }
const rules = (...all: readonly JsonObject[]): JsonObject => ({ 'x-kubernetes-validations': all })
const rule = (source: string, message: string, more: JsonObject = {}): JsonObject => ({
  rule: source,
  message,
  ...more,
})
const side = { type: 'object', properties: { a: text, b: { ...text, nullable: true } } }

const SPEC_RULES = rules(
  rule('!has(self.min) || !has(self.max) || self.min <= self.max', 'min is above max', { fieldPath: '.min' }),
  {
    rule: '!has(self.max) || self.max < 100',
    messageExpression: "'max of ' + self.tag",
    reason: 'FieldValueForbidden',
  },
  { rule: " !has(self.tag) || self.tag != 'bad' " },
  rule("!has(self.tag) || self.tag != 'sad'", ' it is sad ', { messageExpression: "'  '" }),
  rule("!has(self.tag) || self.tag != 'mad'", 'it is mad', { messageExpression: "'of ' + self.map['none']" }),
  rule("self.on || !has(self.tag) || self.tag != 'off'", 'off while on is false'),
  rule("!has(self.x__dash__y) || self.x__dash__y == 'a'", 'x-y must be a'),
  rule('!has(self.__namespace__) || self.__namespace__ != self.a__underscores__b', 'namespace is a__b'),
  rule("!has(self.dotted__dot__name) || self.dotted__dot__name.startsWith('a')", 'dotted', {
    fieldPath: ".free['a.b'].c",
  }),
  rule('self.min == oldSelf.min', 'min does not change'),
  rule("oldSelf.hasValue() || !has(self.tag) || self.tag != 'new'", 'not new at first', { optionalOldSelf: true }),
  rule("!has(self.list) || self.list.size() == 0 || self.list.exists_one(one, one.name == 'a')", 'one a is needed'),
  rule('!has(self.ratio) || self.ratio / 2.0 < 1.0', 'ratio is below 2'),
  rule("!has(self.index) || self.list[self.index].name != ''", 'the item is named'),
  rule("!has(self.key) || self.map[self.key] == 'a'", 'the key is there'),
  rule('!has(self.nullable) || self.nullable.size() > 0', 'nullable is empty'),
  rule('!has(self.sides) || self.sides.all(one, self.sides.exists_one(other, one == other))', 'sides differ'),
)

const SPEC: JsonObject = {
  type: 'object',
  ...SPEC_RULES,
  properties: {
    min: { type: 'integer' },
    max: { type: 'integer' },
    on: { type: 'boolean', default: true },
    tag: text,
    'x-y': text,
    namespace: text,
    a__b: { ...text, default: 'n' },
    'dotted.name': text,
    'un named': { ...text, ...rules(rule("self != 'x'", 'not x')) },
    ratio: { type: 'number' },
    index: { type: 'integer' },
    key: text,
    nullable: { ...text, nullable: true, ...rules(rule("self == 'a'", 'a or nothing')) },
    sides: { type: 'array', maxItems: 5, items: side },
    port: {
      'x-kubernetes-int-or-string': true,
      maxLength: 50,
      ...rules(rule("type(self) == int ? self < 100 : self.endsWith('%')", 'below 100, or with %')),
    },
    free: {
      type: 'object',
      properties: { 'a.b': { type: 'object', properties: { c: text } } },
      'x-kubernetes-preserve-unknown-fields': true,
      ...rules(rule("!has(self.a__dot__b) || self.a__dot__b.c != 'x'", 'not x there')),
    },
    list: {
      type: 'array',
      maxItems: 10,
      ...rules(rule("self.all(one, one.name != 'z')", 'no z in it')),
      items: {
        type: 'object',
        required: ['name'],
        ...rules(rule("self.name != 'y'", 'not y')),
        properties: { name: { ...text, ...rules(rule("self.matches('^[a-z]+$')", 'lower-case letters')) } },
      },
    },
    map: {
      type: 'object',
      maxProperties: 10,
      ...rules(rule("!('no' in self)", 'no key no')),
      additionalProperties: { ...text, ...rules(rule('self.size() < 3', 'too long')) },
    },
    template: {
      type: 'object',
      'x-kubernetes-embedded-resource': true,
      properties: { spec: { type: 'object', properties: { a: text } } },
      ...rules(rule("self.metadata.name == 'inner' && self.kind == 'Pod'", 'inner Pods only')),
    },
    set: {
      type: 'array',
      'x-kubernetes-list-type': 'set',
      maxItems: 10,
      items: text,
      ...rules(rule("'a' in self", 'a is in the set')),
    },
  },
}

/** A made-up kind with rules at every depth that a schema has. */
export const RULED: JsonObject = {
  type: 'object',
  ...rules(
    rule("self.metadata.name != 'refused'", 'not that name'),
    rule('!has(self.status)', 'a create drops the status'),
    rule("self.kind == 'Ruled' && self.apiVersion.endsWith('/v1')", 'the type is seen'),
  ),
  properties: {
    status: { type: 'object', default: {}, properties: { a: text } },
    spec: SPEC,
  },
}

const ok: Json = [{ name: 'a' }]

/** What rules let pass, and what they alone refuse: on both, what check says is held against what a real API server says. */
export const SPECS: readonly JsonObject[] = [
  {},
  { min: 1, max: 2, tag: 'good', namespace: 'm', 'x-y': 'a', 'dotted.name': 'ab', 'un named': 'y', ratio: 1.5 },
  { min: 3, max: 2 },
  { max: 100 },
  { min: 300, max: 200, tag: 'bad' },
  { tag: 'sad' },
  { tag: 'mad' },
  { tag: 'off' },
  { tag: 'off', on: false },
  { tag: 'new' },
  { 'x-y': 'b' },
  { namespace: 'n' },
  { namespace: 'n', a__b: 'x' },
  { 'dotted.name': 'b' },
  { 'un named': 'x' },
  { ratio: 2 },
  { ratio: 1 },
  { list: ok, index: 0 },
  { list: ok, index: 1 },
  { index: 0 },
  { key: 'a', map: { a: 'a' } },
  { key: 'b', map: { a: 'a' } },
  { nullable: null },
  { nullable: 'b' },
  { nullable: 'a' },
  { sides: [{ a: 'x' }, { a: 'y' }] },
  { sides: [{ a: 'x' }, { a: 'x' }] },
  { sides: [{ a: 'x' }, { a: 'x', b: 'y' }] },
  { port: 99 },
  { port: 100 },
  { port: '5%' },
  { port: '5' },
  { free: { 'a.b': { c: 'x' }, more: 1 } },
  { free: { 'a.b': {} } },
  { free: { more: 1 } },
  { list: [{ name: 'a' }, { name: 'y' }, { name: 'z' }, { name: 'A' }] },
  { list: [] },
  { list: [{ name: 'a' }, { name: 'a' }] },
  { map: { a: 'abc', no: 'a', 'b/c': 'abcd' } },
  { template: { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'inner', labels: { a: 'b' } }, spec: { a: 'x' } } },
  { template: { apiVersion: 'v1', kind: 'Job', metadata: { name: 'inner' } } },
  { set: ['b', 'a'] },
  { set: ['b'] },
]
