import { WaybillError } from '../../contract/errors.ts'
import type { CiRun } from './ci.ts'
import { type BuildFacts, LOCAL_BUILDER_ID } from './provenance.ts'

/** What the command line says of a build. */
export type StatedFacts = Pick<BuildFacts, 'ref' | 'workflow' | 'invocationId' | 'actor'> & {
  readonly builderId?: string
}

/** What is built: the commit, the ref that the revision named, and where `waybill.yaml` says that the source is at home. */
export type Built = { readonly commit: string; readonly ref?: string; readonly source: string }

/**
 * What goes into the provenance: the command line's word first, then the CI's, then the repository's. Of the commit and its ref the CI
 * knows more than anybody who types, so there it is not overruled.
 * @throws WaybillError BUILD_CONTRADICTED when the run is about another commit and no ref is stated, about another ref than the one stated,
 * or of another repository on the same host
 */
export function gatherFacts(stated: StatedFacts, run: CiRun | undefined, built: Built): BuildFacts {
  if (run === undefined)
    return { ...(built.ref === undefined ? {} : { ref: built.ref }), builderId: LOCAL_BUILDER_ID, ...stated }
  const { ci, repository, event, runner } = run
  sameRepository(run, built)
  const ref = refOf(stated, run, built)
  return {
    ...(run.workflow === undefined ? {} : { workflow: run.workflow }),
    ...(run.invocationId === undefined ? {} : { invocationId: run.invocationId }),
    ...(run.actor === undefined ? {} : { actor: run.actor }),
    builderId: run.builderId,
    ...stated,
    ...(ref === undefined ? {} : { ref }),
    run: { ci, repository, ...(event === undefined ? {} : { event }), ...(runner === undefined ? {} : { runner }) },
  }
}

function refOf({ ref }: StatedFacts, run: CiRun, { commit }: Built): string | undefined {
  if (run.commit !== commit) {
    if (ref !== undefined) return ref
    throw new WaybillError(
      'BUILD_CONTRADICTED',
      `the CI's run is about commit ${run.commit.slice(0, 12)}${run.ref === undefined ? '' : ` of ${run.ref}`}, and ${commit.slice(0, 12)} is packed`,
    )
  }
  if (ref !== undefined && run.ref !== undefined && ref !== run.ref)
    throw new WaybillError('BUILD_CONTRADICTED', `--ref says ${ref}, and the CI's run is about ${run.ref}`)
  return ref ?? run.ref
}

/** A mirror elsewhere may build for its home; a neighbour on the same host, such as a fork, may not. */
function sameRepository({ repository }: CiRun, { source }: Built): void {
  const [ours, theirs] = [placeOf(source), placeOf(repository)]
  if (ours === undefined || theirs === undefined || ours.host !== theirs.host || ours.path === theirs.path) return
  throw new WaybillError(
    'BUILD_CONTRADICTED',
    `the CI's run is of ${repository}, and waybill.yaml says that the source is ${source}`,
  )
}

/** Of `https://host/path.git`, `ssh://git@host/path` and `git@host:path`; forges take paths in any case. */
function placeOf(address: string): { readonly host: string; readonly path: string } | undefined {
  const scp = /^(?:[\w.-]+@)?([\w.-]+):(?!\/\/)(.+)$/.exec(address)
  const url = scp === null ? address.replace(/^git\+/, '') : `ssh://${scp[1]}/${scp[2]}`
  if (!URL.canParse(url)) return undefined
  const { hostname, pathname } = new URL(url)
  const path = pathname.replace(/^\/+|\/+$/g, '').replace(/\.git$/, '')
  return { host: hostname.toLowerCase(), path: path.toLowerCase() }
}
