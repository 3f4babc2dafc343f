import { visible } from '../packager/diff/visible.ts'
import type { Change, ChangeList } from '../puller/kinds.ts'
import { counted } from './output.ts'

const SIGN: Readonly<Record<Change['action'], string>> = {
  create: '+',
  configure: '~',
  adopt: '~',
  replace: '-/+',
  delete: '-',
  forget: ' ',
}

/** A line for each change, with whom an object is taken over from, and the fields that differ under it; what is not listed is counted. */
export function changeLines({ total, listed }: Pick<ChangeList, 'total' | 'listed'>): readonly string[] {
  const lines = listed.flatMap(({ action, object, fields = [], manager }) => [
    visible(`${SIGN[action].padEnd(3)} ${action} ${object}${action === 'adopt' && manager ? ` from ${manager}` : ''}`),
    ...(fields.length === 0 ? [] : [visible(`      ${fields.join(', ')}`)]),
  ])
  return total > listed.length ? [...lines, `and ${counted(total - listed.length, 'more change')}`] : lines
}
