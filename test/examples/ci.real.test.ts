import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { parse, parseAllDocuments } from 'yaml'
import { WAYBILL } from '../cli/command.ts'
import { settings, shopFiles } from '../cli/repository.ts'
import { makeKey } from '../fakes/keys.ts'
import { commitAll, git, repositoryOf, tempFolder, writeFiles } from '../packager/repository.ts'
import { type Registry, startRegistry } from '../real/registry.ts'
import { useTools } from '../real/tools.ts'
import { startCommentService } from './comment-service.ts'

const CI = join(import.meta.dirname, '../../examples/ci')
const login = { user: 'ci', password: 'hunter2-registry' }
const key = makeKey()
const bin = tempFolder()
let registry: Registry

/** The registry of the test speaks no TLS; nothing else differs from what a pipeline has on its PATH. */
before(async () => {
  const { oras } = await useTools('oras')
  registry = await startRegistry({ kind: 'distribution', auth: login })
  tool(
    'waybill',
    `case $1 in publish|promote|verify|show) set -- "$@" --plain-http ;; esac
exec ${quoted(process.execPath)} ${quoted(WAYBILL)} "$@"`,
  )
  tool(
    'oras',
    `if [ "$1" = login ]; then exec ${quoted(oras)} "$@" --plain-http; fi
exec ${quoted(oras)} "$@"`,
  )
})
after(() => registry?.stop())

function tool(name: string, script: string): void {
  writeFileSync(join(bin, name), `#!/bin/sh\n${script}\n`)
  chmodSync(join(bin, name), 0o755)
}

function quoted(path: string): string {
  return `'${path}'`
}

/** A shop whose branch `change` greets otherwise, as a clone with the merge of both, the way CI gets a pull request. */
function shop() {
  const repo = repositoryOf(shopFiles(`${registry.host}/acme/shop`))
  const base = git(repo, 'rev-parse', 'HEAD')
  git(repo, 'checkout', '-q', '-b', 'change')
  writeFiles(repo, { 'deploy/settings.yaml': settings('Welcome') })
  commitAll(repo)
  git(repo, 'checkout', '-q', 'main')
  git(repo, 'merge', '-q', '--no-ff', '-m', 'Merge the change', 'change')
  const clone = join(tempFolder(), 'clone')
  git(repo, 'clone', '-q', '--depth', '2', `file://${repo}`, clone)
  return { clone, base, head: git(repo, 'rev-parse', 'HEAD') }
}

type Env = Readonly<Record<string, string>>

async function bash(script: string, cwd: string, env: Env): Promise<string> {
  const whole = { PATH: `${bin}:${process.env.PATH}`, ...env }
  return (await promisify(execFile)('bash', ['-eo', 'pipefail', '-c', script], { cwd, env: whole })).stdout
}

type Step = {
  readonly name?: string
  readonly id?: string
  readonly uses?: string
  readonly run?: string
  readonly env?: Env
}
type Job = { readonly permissions: Env; readonly steps: readonly Step[]; readonly if: string; readonly env?: Env }
const workflow: {
  readonly on: Readonly<Record<string, unknown>>
  readonly permissions: Env
  readonly jobs: Readonly<Record<string, Job>>
} = parse(readFileSync(join(CI, 'github/waybill.yml'), 'utf8'))

/** Runs the steps of one job of the workflow; `context` says what each `${{ }}` stands for. Gives their outputs. */
async function githubJob(name: string, cwd: string, context: Env, env: Env): Promise<string> {
  const temp = tempFolder()
  const files = { RUNNER_TEMP: temp, GITHUB_OUTPUT: join(temp, 'output'), GITHUB_STEP_SUMMARY: join(temp, 'summary') }
  writeFileSync(files.GITHUB_OUTPUT, '')
  for (const { run, env: own = {} } of workflow.jobs[name]?.steps ?? []) {
    if (run === undefined) continue
    assert.doesNotMatch(run, /\$\{\{/, 'what a person wrote is never part of a script')
    const said = Object.entries(own).map(([variable, text]) => {
      const value = context[/^\$\{\{ (\S+) \}\}$/.exec(text)?.[1] ?? '']
      assert.ok(value !== undefined, `${variable}: ${text}`)
      return [variable, value] as const
    })
    await bash(run, cwd, { ...env, ...files, ...Object.fromEntries(said) })
  }
  return readFileSync(files.GITHUB_OUTPUT, 'utf8')
}

const github = (head: string, event: string) => ({
  HOME: tempFolder(),
  GITHUB_ACTIONS: 'true',
  GITHUB_SERVER_URL: 'https://git.example.com',
  GITHUB_REPOSITORY: 'acme/shop',
  GITHUB_SHA: head,
  GITHUB_REF: event === 'pull_request' ? 'refs/pull/7/merge' : 'refs/heads/main',
  GITHUB_WORKFLOW_REF: 'acme/shop/.github/workflows/waybill.yml@refs/heads/main',
  GITHUB_RUN_ID: '42',
  GITHUB_ACTOR: login.user,
  GITHUB_EVENT_NAME: event,
  RUNNER_ENVIRONMENT: 'github-hosted',
})

const secrets = { 'github.token': login.password, 'secrets.WAYBILL_KEY': key.pem, 'secrets.COSIGN_PASSWORD': '' }

/** The digest that a tag of the registry names. */
async function standing(tag: string, { HOME = '' }: Env): Promise<string> {
  return (await bash(`oras resolve --plain-http ${registry.host}/acme/shop:${tag}`, bin, { HOME })).trim()
}

test('GitHub: a pull request is checked, and what it changes becomes a comment, which the next run writes over', async (t) => {
  const { clone, head } = shop()
  const env = github(head, 'pull_request')
  const output = await githubJob('check', clone, {}, env)
  const comment = /^comment<<(end-[0-9a-f]{32})\n([\s\S]*)\n\1\n$/.exec(output)?.[2]?.trimEnd() ?? ''
  assert.match(comment, /^<!-- waybill diff -->[\s\S]*Welcome/)
  const service = await startCommentService(t, { name: 'authorization', value: 'Bearer token' })
  const said = { 'github.event.pull_request.number': '7', 'github.token': 'token' }
  for (const body of ['<!-- waybill diff --> before', comment])
    await githubJob(
      'comment',
      tempFolder(),
      { ...said, 'needs.check.outputs.comment': body },
      { ...env, GITHUB_API_URL: service.url },
    )
  assert.deepEqual(service.comments(), ['Looks good', comment])
})

test('GitHub: what is merged is published into staging once, and promoted by hand, what a person wrote being no script', async () => {
  const { clone, head } = shop()
  const env = github(head, 'push')
  const context = { ...secrets, 'vars.WAYBILL_REGISTRY': registry.host }
  await githubJob('publish', clone, context, env)
  const staging = await standing('staging', env)
  await githubJob('publish', clone, context, env)
  assert.equal(await standing('staging', env), staging)
  const reference = `${registry.host}/acme/shop@${staging}`
  const reason = '$(touch hurt) "; exit 1 #'
  const inputs = { 'inputs.reference': reference, 'inputs.channel': 'production', 'inputs.reason': reason }
  await githubJob('promote', tempFolder(), { ...context, ...inputs }, env)
  assert.equal(await standing('production', env), staging)
  const shown = JSON.parse(await bash(`waybill show ${reference} --output json`, bin, env))
  const signed = JSON.stringify(shown.statements)
  assert.ok(signed.includes(JSON.stringify(reason).slice(1, -1)))
  assert.ok(signed.includes('https://git.example.com/acme/shop/actions/runs/42/attempts/1'))
})

test('GitHub: no job can do more than its work, and none that sees a pull request has a secret', () => {
  assert.deepEqual(Object.keys(workflow.on), ['pull_request', 'push', 'workflow_dispatch'])
  assert.deepEqual(workflow.permissions, {})
  const rights = Object.entries(workflow.jobs).map(([name, { permissions }]) => [name, permissions])
  assert.deepEqual(Object.fromEntries(rights), {
    check: { contents: 'read' },
    comment: { 'pull-requests': 'write' },
    publish: { contents: 'read', packages: 'write' },
    promote: { packages: 'write' },
  })
  for (const name of ['check', 'comment']) assert.doesNotMatch(JSON.stringify(workflow.jobs[name]), /secrets\./)
  const used = Object.values(workflow.jobs).flatMap(({ steps }) => steps.flatMap(({ uses = [] }) => uses))
  for (const action of used) assert.match(action, /@[0-9a-f]{40}$/)
  assert.ok(workflow.jobs.comment?.steps.every(({ uses }) => uses === undefined))
})

type GitlabJob = {
  readonly script: readonly string[]
  readonly variables?: Env
  readonly rules: readonly { readonly if: string }[]
}
const [inputs, component] = parseAllDocuments(readFileSync(join(CI, 'gitlab/templates/waybill.yml'), 'utf8')).map(
  (one) => one.toJS(),
)
const gitlabJobs: Readonly<Record<string, GitlabJob>> = component

/** Runs the script of one job of the component with its inputs' defaults. */
async function gitlabJob(name: string, cwd: string, env: Env): Promise<void> {
  const job = gitlabJobs[name]
  assert.ok(job !== undefined)
  const script = job.script.join('\n')
  assert.doesNotMatch(script, /\$\[\[/, 'an input is never part of a script')
  const own = Object.entries(job.variables ?? {}).map(([variable, text]) => {
    const input = /^\$\[\[ inputs\.(\w+) \]\]$/.exec(text)?.[1]
    return [variable, input === undefined ? text : inputs.spec.inputs[input].default] as const
  })
  await bash(script, cwd, { ...env, ...Object.fromEntries(own) })
}

const gitlab = (head: string) => ({
  HOME: tempFolder(),
  GITLAB_CI: 'true',
  CI_SERVER_URL: 'https://git.example.com',
  CI_PROJECT_URL: 'https://git.example.com/acme/shop',
  CI_COMMIT_SHA: head,
  CI_JOB_URL: 'https://git.example.com/acme/shop/-/jobs/42',
  GITLAB_USER_LOGIN: 'ada',
  CI_REGISTRY: registry.host,
  CI_REGISTRY_USER: login.user,
  CI_REGISTRY_PASSWORD: login.password,
})

test('GitLab: a merge request is checked, and what it changes becomes a note, which the next run writes over', async (t) => {
  const { clone, base, head } = shop()
  const service = await startCommentService(t, { name: 'private-token', value: 'token' })
  const request = {
    ...gitlab(head),
    CI_PIPELINE_SOURCE: 'merge_request_event',
    CI_MERGE_REQUEST_REF_PATH: 'refs/merge-requests/7/head',
    CI_MERGE_REQUEST_IID: '7',
    CI_MERGE_REQUEST_DIFF_BASE_SHA: base,
  }
  await gitlabJob('waybill-check', clone, request)
  assert.equal(readFileSync(join(clone, 'gl-code-quality-report.json'), 'utf8'), '[]\n')
  await gitlabJob('waybill-diff', clone, request)
  const note = readFileSync(join(clone, 'waybill-diff.md'), 'utf8')
  assert.match(note, /^<!-- waybill diff -->[\s\S]*Welcome/)
  const commenting = { ...request, WAYBILL_COMMENT_TOKEN: 'token', CI_API_V4_URL: service.url, CI_PROJECT_ID: '3' }
  for (const _run of [1, 2]) await gitlabJob('waybill-comment', clone, commenting)
  assert.deepEqual(service.comments(), ['Looks good', note])
})

test('GitLab: what is merged is published into staging, and that very release is promoted', async () => {
  const { clone, head } = shop()
  const home = tempFolder()
  writeFileSync(join(home, 'release.pem'), key.pem)
  const env = {
    ...gitlab(head),
    CI_COMMIT_BRANCH: 'main',
    CI_PIPELINE_SOURCE: 'push',
    WAYBILL_KEY: join(home, 'release.pem'),
  }
  await gitlabJob('waybill-publish', clone, env)
  const [, reference = ''] = readFileSync(join(clone, 'published.env'), 'utf8').trim().split('WAYBILL_REFERENCE=')
  assert.equal(reference, `${registry.host}/acme/shop@${await standing('staging', env)}`)
  await gitlabJob('waybill-promote', tempFolder(), { ...env, WAYBILL_REFERENCE: reference })
  assert.ok(reference.endsWith(await standing('production', env)))
})

test('GitLab: no job of a merge request names the key, and those that do run on protected refs alone', () => {
  for (const [name, { script, rules }] of Object.entries(gitlabJobs)) {
    const ofRequest = rules.every((rule) => rule.if.includes('merge_request_event'))
    assert.equal(/WAYBILL_KEY|CI_REGISTRY_PASSWORD/.test(script.join('\n')), !ofRequest, name)
  }
})

test('a plain shell: check, publish and promote, and how to call it where it is called otherwise', async () => {
  const { clone, base } = shop()
  const script = join(CI, 'shell/waybill.sh')
  const HOME = tempFolder()
  writeFileSync(join(HOME, 'release.pem'), key.pem)
  await bash(
    `printf '%s\n' "$PASSWORD" | oras login ${registry.host} --username ${login.user} --password-stdin`,
    clone,
    { HOME, PASSWORD: login.password },
  )
  const env = {
    HOME,
    WAYBILL_KEY: join(HOME, 'release.pem'),
    BUILDER_ID: 'https://ci.example.com/shell',
    BUILD_REF: 'refs/heads/main',
  }
  await bash(`${quoted(script)} check ${base}`, clone, env)
  assert.match(readFileSync(join(clone, 'waybill-diff.md'), 'utf8'), /Welcome/)
  await bash(`${quoted(script)} publish trial`, clone, env)
  const digest = await standing('trial', env)
  await bash(`${quoted(script)} promote ${registry.host}/acme/shop@${digest} tried 'it was well'`, clone, env)
  assert.equal(await standing('tried', env), digest)
  await assert.rejects(bash(`${quoted(script)} pubilsh`, clone, env), { code: 2, stderr: /waybill\.sh check BASE/ })
})
