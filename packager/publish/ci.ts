import { WaybillError } from '../../contract/errors.ts'
import type { Env } from '../process.ts'

/** What a CI system says of the run that we are part of. Names and addresses only: tokens are never looked at. */
export type CiRun = {
  readonly ci: 'github' | 'gitlab'
  /** A URI for the platform that builds: the same for every run, so that a policy can name it. */
  readonly builderId: string
  /** Where the run's repository is, `https://host/path`. */
  readonly repository: string
  /** The commit that the run is about, 40 or 64 hex digits. */
  readonly commit: string
  /** A whole ref: `refs/heads/main`, `refs/tags/v1`, `refs/pull/7/merge`, `refs/merge-requests/7/head`. */
  readonly ref?: string
  /** The workflow's file at its ref, spelled as Fulcio writes it into certificates. */
  readonly workflow?: string
  /** The run, as a link. */
  readonly invocationId?: string
  /** The login of who set the run off. */
  readonly actor?: string
  /** `push`, `pull_request`, `merge_request_event`, …, in the CI's own words. */
  readonly event?: string
  /** The machine, as the CI numbers it. */
  readonly runner?: string
}

/**
 * Reads what GitHub Actions (docs.github.com: "Default environment variables", with those that work alike, such as Forgejo) or GitLab CI
 * (docs.gitlab.com: "Predefined CI/CD variables") say of themselves; undefined outside of both.
 * @throws WaybillError BUILD_CONTRADICTED when both speak, or when a variable is not what its documentation says
 */
export function readCiRun(env: Env): CiRun | undefined {
  const github = env.GITHUB_ACTIONS === 'true'
  const gitlab = env.GITLAB_CI === 'true'
  if (github && gitlab)
    throw new WaybillError('BUILD_CONTRADICTED', 'GITHUB_ACTIONS and GITLAB_CI both say that this is their run')
  if (github) return githubRun(env)
  return gitlab ? gitlabRun(env) : undefined
}

const COMMIT = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/
const REF = /^refs\/[^\s~^:?*[\\]{1,1000}$/
const ADDRESS = /^https?:\/\/[^\s@]{1,2000}$/
const WORDS = /^[\x20-\x7e]{1,2000}$/

function githubRun(env: Env): CiRun {
  const server = needed(env, 'GITHUB_SERVER_URL', ADDRESS)
  const repository = `${server}/${needed(env, 'GITHUB_REPOSITORY', /^[\w.-]{1,200}\/[\w.-]{1,200}$/)}`
  const workflow = given(env, 'GITHUB_WORKFLOW_REF', WORDS)
  const run = given(env, 'GITHUB_RUN_ID', /^\d{1,30}$/)
  const attempt = given(env, 'GITHUB_RUN_ATTEMPT', /^\d{1,9}$/) ?? '1'
  return {
    ci: 'github',
    // slsa-framework/github-actions-buildtypes, workflow/v1: hosted and own machines are two builders.
    builderId: `${server}/actions/runner/${given(env, 'RUNNER_ENVIRONMENT', /^[a-z-]{1,40}$/) ?? 'self-hosted'}`,
    repository,
    commit: needed(env, 'GITHUB_SHA', COMMIT),
    ...only('ref', given(env, 'GITHUB_REF', REF)),
    ...only('workflow', workflow && `${server}/${workflow}`),
    ...only('invocationId', run && `${repository}/actions/runs/${run}/attempts/${attempt}`),
    ...only('actor', given(env, 'GITHUB_ACTOR', WORDS)),
    ...only('event', given(env, 'GITHUB_EVENT_NAME', WORDS)),
  }
}

function gitlabRun(env: Env): CiRun {
  const repository = needed(env, 'CI_PROJECT_URL', ADDRESS)
  const ref = gitlabRef(env)
  const uri = given(env, 'CI_CONFIG_REF_URI', WORDS)
  const path = given(env, 'CI_CONFIG_PATH', WORDS) ?? '.gitlab-ci.yml'
  return {
    ci: 'gitlab',
    builderId: needed(env, 'CI_SERVER_URL', ADDRESS),
    repository,
    commit: needed(env, 'CI_COMMIT_SHA', COMMIT),
    ...only('ref', ref),
    ...only('workflow', uri === undefined ? ref && `${repository}//${path}@${ref}` : `https://${uri}`),
    ...only('invocationId', given(env, 'CI_JOB_URL', ADDRESS)),
    ...only('actor', given(env, 'GITLAB_USER_LOGIN', WORDS)),
    ...only('event', given(env, 'CI_PIPELINE_SOURCE', WORDS)),
    ...only('runner', given(env, 'CI_RUNNER_ID', /^\d{1,30}$/)),
  }
}

/** GitLab names a merge request's own ref, never the branch that it comes from: a branch of a fork may be called main too. */
function gitlabRef(env: Env): string | undefined {
  const request = given(env, 'CI_MERGE_REQUEST_REF_PATH', REF)
  if (request !== undefined) return request
  const tag = given(env, 'CI_COMMIT_TAG', WORDS)
  const branch = given(env, 'CI_COMMIT_BRANCH', WORDS)
  const ref = tag === undefined ? branch && `refs/heads/${branch}` : `refs/tags/${tag}`
  return ref === undefined || REF.test(ref) ? ref : invalid(tag === undefined ? 'CI_COMMIT_BRANCH' : 'CI_COMMIT_TAG')
}

/** An empty variable is one that is not set. What it holds is not repeated: it may be anything. */
function given(env: Env, name: string, shape: RegExp): string | undefined {
  const value = env[name]
  if (value === undefined || value === '') return undefined
  return shape.test(value) ? value : invalid(name)
}

function needed(env: Env, name: string, shape: RegExp): string {
  return given(env, name, shape) ?? invalid(name)
}

function invalid(name: string): never {
  throw new WaybillError('BUILD_CONTRADICTED', `${name} is missing, or not what its documentation says`)
}

function only<K extends string>(name: K, value: string | undefined): { readonly [name in K]?: string } {
  const found: { [name in K]?: string } = {}
  if (value) found[name] = value
  return found
}
