import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hasCode } from '../../../contract/errors.ts'
import { gatherFacts } from '../../../packager/publish/build-facts.ts'
import { type CiRun, readCiRun } from '../../../packager/publish/ci.ts'
import { provenancePredicate } from '../../../packager/publish/provenance.ts'
import { makeRelease } from '../../fakes/release.ts'

const sha = 'a'.repeat(40)
const source = 'https://github.com/acme/shop'

/** What the documentation of GitHub Actions shows, with a token beside it. */
const github = {
  GITHUB_ACTIONS: 'true',
  GITHUB_SERVER_URL: 'https://github.com',
  GITHUB_REPOSITORY: 'acme/shop',
  GITHUB_SHA: sha,
  GITHUB_REF: 'refs/heads/main',
  GITHUB_WORKFLOW_REF: 'acme/shop/.github/workflows/release.yaml@refs/heads/main',
  GITHUB_RUN_ID: '1658821493',
  GITHUB_RUN_ATTEMPT: '2',
  GITHUB_ACTOR: 'octocat',
  GITHUB_EVENT_NAME: 'push',
  RUNNER_ENVIRONMENT: 'github-hosted',
  GITHUB_TOKEN: 'hunter2',
  ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'hunter2',
}

/** What the documentation of GitLab CI shows, likewise. */
const gitlab = {
  GITLAB_CI: 'true',
  CI_SERVER_URL: 'https://gitlab.example.com',
  CI_PROJECT_URL: 'https://gitlab.example.com/acme/shop',
  CI_COMMIT_SHA: sha,
  CI_COMMIT_BRANCH: 'main',
  CI_CONFIG_PATH: '.gitlab-ci.yml',
  CI_JOB_URL: 'https://gitlab.example.com/acme/shop/-/jobs/42',
  CI_PIPELINE_SOURCE: 'push',
  CI_RUNNER_ID: '7',
  GITLAB_USER_LOGIN: 'ada',
  CI_JOB_TOKEN: 'hunter2',
  CI_REGISTRY_PASSWORD: 'hunter2',
}

const run = (env: Readonly<Record<string, string>>): CiRun => {
  const found = readCiRun(env)
  assert.ok(found)
  return found
}
const contradicts = (words: RegExp) => (error: unknown) =>
  hasCode(error, 'BUILD_CONTRADICTED') && words.test(error.message)

test('a run of GitHub Actions says who builds what, by which workflow, in which run, set off by whom', () => {
  assert.deepEqual(run(github), {
    ci: 'github',
    builderId: 'https://github.com/actions/runner/github-hosted',
    repository: source,
    commit: sha,
    ref: 'refs/heads/main',
    workflow: 'https://github.com/acme/shop/.github/workflows/release.yaml@refs/heads/main',
    invocationId: 'https://github.com/acme/shop/actions/runs/1658821493/attempts/2',
    actor: 'octocat',
    event: 'push',
  })
})

test('a run of GitLab CI says the same of itself', () => {
  assert.deepEqual(run(gitlab), {
    ci: 'gitlab',
    builderId: 'https://gitlab.example.com',
    repository: 'https://gitlab.example.com/acme/shop',
    commit: sha,
    ref: 'refs/heads/main',
    workflow: 'https://gitlab.example.com/acme/shop//.gitlab-ci.yml@refs/heads/main',
    invocationId: 'https://gitlab.example.com/acme/shop/-/jobs/42',
    actor: 'ada',
    event: 'push',
    runner: '7',
  })
  const uri = 'gitlab.example.com/acme/ci//release.yml@refs/heads/main'
  assert.equal(run({ ...gitlab, CI_CONFIG_REF_URI: uri }).workflow, `https://${uri}`)
})

for (const [what, env, ref] of [
  ['a tag on GitHub', { ...github, GITHUB_REF: 'refs/tags/v1.4.2' }, 'refs/tags/v1.4.2'],
  ['a pull request', { ...github, GITHUB_REF: 'refs/pull/7/merge', GITHUB_HEAD_REF: 'main' }, 'refs/pull/7/merge'],
  [
    'a merge queue',
    { ...github, GITHUB_REF: 'refs/heads/gh-readonly-queue/main/pr-7-a' },
    'refs/heads/gh-readonly-queue/main/pr-7-a',
  ],
  ['a tag on GitLab', { ...gitlab, CI_COMMIT_BRANCH: '', CI_COMMIT_TAG: 'v1.4.2' }, 'refs/tags/v1.4.2'],
  [
    'a merge request from a branch that is called main too',
    { ...gitlab, CI_COMMIT_REF_NAME: 'main', CI_MERGE_REQUEST_REF_PATH: 'refs/merge-requests/1/head' },
    'refs/merge-requests/1/head',
  ],
  ['a pipeline of no branch', { ...gitlab, CI_COMMIT_BRANCH: '' }, undefined],
] as const)
  test(`the ref of ${what} is ${ref ?? 'not made up'}`, () => {
    assert.equal(run(env).ref, ref)
  })

test('a machine of one’s own is another builder than one of GitHub’s', () => {
  for (const environment of ['self-hosted', ''])
    assert.equal(
      run({ ...github, RUNNER_ENVIRONMENT: environment }).builderId,
      'https://github.com/actions/runner/self-hosted',
    )
})

test('outside of a CI nothing is taken from the environment', () => {
  const { GITHUB_ACTIONS: _, ...rest } = github
  assert.equal(readCiRun(rest), undefined)
  assert.equal(readCiRun({ ...gitlab, GITLAB_CI: 'false' }), undefined)
})

test('an environment that is not what its documentation says is refused, and not quoted', () => {
  for (const env of [
    { ...github, ...gitlab },
    { ...github, GITHUB_SHA: '' },
    { ...github, GITHUB_REPOSITORY: 'hunter2' },
    { ...github, GITHUB_REF: 'refs/heads/a b' },
    { ...github, GITHUB_ACTOR: 'hunter2\nhunter2' },
    { ...gitlab, CI_PROJECT_URL: 'https://ci:hunter2@gitlab.example.com/acme/shop' },
    { ...gitlab, CI_COMMIT_BRANCH: 'a..\n' },
  ])
    assert.throws(
      () => readCiRun(env),
      (error) => contradicts(/GIT|CI_/)(error) && !String(error).includes('hunter2'),
    )
})

test('the provenance of a run holds its facts where SLSA has them, and no token', () => {
  for (const env of [github, gitlab]) {
    const found = run(env)
    const { buildDefinition, runDetails } = provenancePredicate(
      makeRelease('example.com/acme/shop').release,
      gatherFacts({}, found, { commit: sha, source: found.repository }),
    )
    const { ci, repository, event, runner, actor, ref, workflow, builderId, invocationId } = found
    assert.equal(buildDefinition.externalParameters.source.ref, ref)
    assert.equal(buildDefinition.externalParameters.workflow, workflow)
    assert.deepEqual(buildDefinition.internalParameters, {
      ...{ ci, repository, event, actor },
      ...(runner === undefined ? {} : { runner }),
    })
    assert.deepEqual([runDetails.builder.id, runDetails.metadata?.invocationId], [builderId, invocationId])
    assert.doesNotMatch(JSON.stringify([buildDefinition, runDetails]), /hunter2/)
  }
})

test('what is stated goes before what the CI says; without a CI the builder is local', () => {
  const stated = { builderId: 'https://ci.example.com', workflow: 'w', invocationId: 'i', actor: 'a' }
  const facts = gatherFacts(stated, run(github), { commit: sha, source })
  assert.deepEqual({ ...facts, ...stated, ref: 'refs/heads/main' }, facts)
  assert.deepEqual(gatherFacts({}, undefined, { commit: sha, source, ref: 'refs/heads/x' }), {
    builderId: 'https://waybill.dev/builders/local',
    ref: 'refs/heads/x',
  })
})

test('a run about another commit than the one that is packed is no witness of its ref', () => {
  const built = { commit: 'b'.repeat(40), source, ref: 'refs/heads/main' }
  assert.throws(
    () => gatherFacts({}, run(github), built),
    contradicts(/aaaaaaaaaaaa of refs\/heads\/main.*bbbbbbbbbbbb/),
  )
  const stated = gatherFacts({ ref: 'refs/heads/images' }, run(github), built)
  assert.deepEqual([stated.ref, stated.actor], ['refs/heads/images', 'octocat'])
})

test('a ref that is stated must be that of the run', () => {
  const built = { commit: sha, source }
  const other = () => gatherFacts({ ref: 'refs/tags/v1.0.0' }, run(github), built)
  assert.throws(other, contradicts(/refs\/tags\/v1\.0\.0.*refs\/heads\/main/))
  assert.equal(gatherFacts({ ref: 'refs/heads/main' }, run(github), built).ref, 'refs/heads/main')
})

test('a fork’s run does not build for the repository that waybill.yaml names', () => {
  const fork = run({ ...github, GITHUB_REPOSITORY: 'mallory/shop' })
  for (const home of [source, `${source}.git`, 'git@github.com:acme/shop.git', 'ssh://git@github.com/Acme/Shop']) {
    assert.throws(() => gatherFacts({}, fork, { commit: sha, source: home }), contradicts(/mallory/))
    assert.equal(gatherFacts({}, run(github), { commit: sha, source: home }).ref, 'refs/heads/main')
  }
  assert.ok(gatherFacts({}, fork, { commit: sha, source: 'https://git.example.com/acme/shop' }))
})
