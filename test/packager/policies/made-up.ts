/** Expressions put together at random, the same ones for the same seed: most have wrong types, and some do not. */
export function madeUpExpressions(seed: number, count: number): readonly string[] {
  let state = seed
  const below = (bound: number) => {
    state = (state * 1103515245 + 12345) & 0x7fffffff
    return (state >> 8) % bound
  }
  const pick = (list: readonly string[]) => list[below(list.length)] ?? ''
  const make = (depth: number): string => {
    if (depth <= 0) return pick(ATOMS)
    const inner = () => make(depth - 1)
    const forms = [
      () => `(${inner()} ${pick(OPERATORS)} ${inner()})`,
      () => `(${inner()} ${pick(OPERATORS)} ${inner()})`,
      () => `${inner()}.${pick(METHODS)}`,
      () => `${inner()}.${pick(METHODS)}`,
      () => `${inner()}${pick(SELECTIONS)}`,
      () => `${pick(FUNCTIONS)}(${inner()})`,
      () => `(${inner()} ? ${inner()} : ${inner()})`,
      () => `[${inner()}, ${inner()}]`,
      () => `{${make(depth - 2)}: ${inner()}}`,
      () => `has(${inner()}.a)`,
      () => `!${inner()}`,
      () => pick(ATOMS),
    ]
    return forms[below(forms.length)]?.() ?? ''
  }
  const wholes = [
    (one: string) => `${one} == ${make(1)}`,
    (one: string) => `dyn(${one}) == dyn(1)`,
    (one: string) => one,
    (one: string) => `type(${one}) == int`,
  ]
  return Array.from({ length: count }, () => wholes[below(wholes.length)]?.(make(1 + below(3))) ?? '')
}

const words = (text: string) => text.split('  ')
const ATOMS = words(
  '1  2.5  "a"  true  null  [1]  []  {}  {"a": 1}  object  object.spec  object.metadata.name  request.name  request.kind  dyn(1)  dyn("x")  optional.of(1)  optional.none()  quantity("1")  oldObject  [1.5]  ["a"]  {1: "b"}  int  string  [optional.of(1)]  [[1]]',
)
const OPERATORS = words('+  -  *  /  %  ==  !=  <  <=  >  >=  in  &&  ||')
const METHODS = words(
  'size()  startsWith("a")  contains("a")  matches("a")  hasValue()  value()  orValue(1)  orValue("a")  or(optional.of(1))  sum()  max()  isSorted()  sort()  first()  last()  join()  join(",")  flatten()  distinct()  reverse()  indexOf(1)  indexOf("a")  slice(0, 1)  all(x, x)  all(x, x == 1)  exists(x, true)  map(x, x)  map(x, [x])  map(x, true, x)  filter(x, x == x)  exists_one(x, x == "a")  all(i, x, i == x)  transformMap(k, v, v)  transformList(k, v, k)  transformMapEntry(k, v, {v: k})  optMap(x, x)  optFlatMap(x, optional.of(x))  sortBy(x, x)  isLessThan(quantity("2"))  add(1)  compareTo(quantity("1"))  split(",")  replace("a", "b")  substring(1)  lowerAscii()  unwrapOpt()  findAll("a")  charAt(0)  lastIndexOf("a")  trim()  format([1])  format(["a", 2])',
)
const SELECTIONS = words('.a  .?a  ["a"]  [0]  [?0]  [?"a"]  .kind  .name  .metadata')
const FUNCTIONS = words(
  'size  type  dyn  int  string  double  bool  sign  optional.of  optional.unwrap  lists.range  isQuantity',
)
