// A reporter for node:test that writes one JSON line for each finished test, for the runner to read.
import { inspect } from 'node:util'

/** How one test ended. `name` is the path of its names, outermost first. */
export type TestLine = {
  readonly name: string
  readonly outcome: 'passed' | 'failed' | 'skipped'
  readonly error?: string
}

/** The part of node:test's events that is looked at. */
type TestEvent = {
  readonly type: string
  readonly data?: {
    readonly name?: string
    readonly nesting?: number
    readonly skip?: string | boolean
    readonly todo?: string | boolean
    readonly details?: {
      readonly type?: string
      readonly error?: Error & { readonly failureType?: string }
    }
  }
}

/** node:test calls it with its events and writes what it yields. */
export default async function* report(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const names: string[] = []
  for await (const { type, data } of events) {
    const { name = '', nesting = 0 } = data ?? {}
    if (type === 'test:start') names.splice(nesting, Number.POSITIVE_INFINITY, name)
    if (type !== 'test:pass' && type !== 'test:fail') continue
    const line = judge(type, data, [...names.slice(0, nesting), name].join(' › '))
    if (line !== undefined) yield `${JSON.stringify(line)}\n`
  }
}

function judge(type: string, data: TestEvent['data'], name: string): TestLine | undefined {
  const { details, skip, todo } = data ?? {}
  if (isOn(skip) || isOn(todo)) return { name, outcome: 'skipped' }
  if (type === 'test:pass') return details?.type === 'suite' ? undefined : { name, outcome: 'passed' }
  const error = details?.error
  if (error?.failureType === 'subtestsFailed') return undefined
  return { name, outcome: 'failed', error: inspect(error?.cause ?? error, { depth: 4, colors: false }) }
}

const isOn = (flag: string | boolean | undefined): boolean => flag !== undefined && flag !== false
