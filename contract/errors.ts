/**
 * What Waybill's errors are: one class, one table, codes for ever. docs/ERRORS.md is generated from this table.
 * The code is for programs, the message for this event, the hint for the person, `retry` for the loop.
 */

/** `never`: the same input fails again. `later`: the world may recover by itself. `on-change`: when a person changes something. */
export type Retry = 'never' | 'later' | 'on-change'

/** How the command line exits: 0 it only warned, 1 it failed, 2 wrong usage, 3 refused, 4 timed out. */
export type ExitStatus = 0 | 1 | 2 | 3 | 4

export type ErrorEntry = { readonly exit: ExitStatus; readonly retry: Retry; readonly hint: string }

const failed = (retry: Retry, hint: string): ErrorEntry => ({ exit: 1, retry, hint })
const usage = (hint: string): ErrorEntry => ({ exit: 2, retry: 'never', hint })
const refused = (hint: string, retry: Retry = 'on-change'): ErrorEntry => ({ exit: 3, retry, hint })
const warned = (hint: string): ErrorEntry => ({ exit: 0, retry: 'on-change', hint })
const timedOut = (hint: string): ErrorEntry => ({ exit: 4, retry: 'later', hint })

export const ERRORS = {
  // ---- usage
  USAGE: usage('Run the command with --help to see what it takes.'),
  FILE_UNREADABLE: usage('Check the path and that you may read it.'),
  DIGEST_INVALID: usage('Copy the digest whole: sha256: and 64 hex digits.'),
  REFERENCE_INVALID: usage('Write host[:port]/path[:tag][@sha256:…].'),
  VERSION_INVALID: usage('Use a semantic version such as 1.4.2, without a leading v or a build suffix.'),
  CHANNEL_INVALID: usage('A channel is a lower-case name such as "production" that is neither a version nor a digest.'),
  KEY_INVALID: usage('Give an ECDSA P-256 key: a PEM file, or a cosign.key with its password in COSIGN_PASSWORD.'),
  KEY_PASSWORD: usage('Set COSIGN_PASSWORD to the password that the key was made with.'),

  // ---- machine
  TOOL_MISSING: failed('on-change', 'Install the tool, or put it on the PATH.'),
  TOOL_VERSION: refused('Install the version that waybill.yaml pins, or change the pin in a commit.'),
  TOOL_FAILED: failed('never', 'See what the tool said above; running it by hand shows more.'),
  DISK_FULL: failed('later', 'Free some space, or point the folder at a larger disk. Nothing was half done.'),
  DISK_FAILED: failed('later', 'Check the folder, its permissions and its disk.'),
  TIMED_OUT: timedOut('Try again, or allow more time.'),

  // ---- git and waybill.yaml
  GIT_REPOSITORY: usage('Run it inside a Git repository, or name one with --repo.'),
  GIT_EMPTY: usage('Make a first commit: Waybill packs commits, never the working tree.'),
  GIT_REVISION: usage('Name a commit, branch or tag that this clone has; a shallow clone may have to fetch it.'),
  GIT_FAILED: failed('never', 'Run the same git command by hand to see more.'),
  PACKAGE_FILE_MISSING: usage(
    'Put a waybill.yaml at the root of the repository and commit it (`waybill init` writes a first one), or name its folder with --path.',
  ),
  PACKAGE_FILE_INVALID: usage('Correct the lines named above; docs/FORMAT.md has every field.'),
  ENVIRONMENT_MISSING: usage('Name an environment that waybill.yaml declares.'),
  FIELD_UNSUPPORTED: refused('This version does not build that field yet; remove it.'),

  // ---- rendering and checking
  RENDER_FAILED: failed('never', 'Correct the manifests; the tool’s own words are above.'),
  RENDER_UNSTABLE: refused(
    'Rendering the same commit twice gave different objects. Take what is random or dated out of the manifests.',
  ),
  CHECK_FAILED: refused('Correct every fault listed; each has its file, line and object.'),
  LIMIT_EXCEEDED: refused('Split the package: the limits are in docs/FORMAT.md.'),
  REBUILD_DIFFERS: refused(
    'Packing the commit again gave another artifact. Compare `waybill show --env` of both, and the tool versions in the provenance.',
  ),

  // ---- faults of check: each with its place; CHECK_FAILED or PACKAGE_FILE_INVALID carries them
  YAML_INVALID: refused('Correct the file; kubectl would not read it either.'),
  YAML_AMBIGUOUS: refused(
    'Say which you mean: quote it if it is text, or write it in the form that all readers share.',
  ),
  YAML_DUPLICATE_KEY: refused('Keep one of them: which one counts depends on the reader.'),
  INTEGER_UNSAFE: refused('JSON readers round integers beyond ±9007199254740991. Quote it if it is text.'),
  INPUT_MISSING: refused('Commit the file or folder, or correct the path: only what the commit holds can be rendered.'),
  INPUT_UNSUPPORTED: refused('Only plain files of this very commit are read. Put a copy of it into the repository.'),
  INPUT_REMOTE: refused(
    'Nothing is fetched while rendering. Put a copy into the repository; for a remote base, `kustomize localize` makes one.',
  ),
  CHART_DEPENDENCY: refused(
    'A chart’s dependencies are part of the commit: run the command above, and commit charts/ with Chart.lock.',
  ),
  HOOK_UNSUPPORTED: refused(
    'Name install and upgrade in the hook, give it a waybill.dev/wave that says when it comes, or turn it off; docs/guides/helm.md has what hooks become.',
  ),
  TOOL_UNDECLARED: refused('Pin the version of the tool under spec.tools in waybill.yaml.'),
  ENVIRONMENT_RENDERS_NOTHING: refused(
    'Delivering nothing would delete everything. Remove the environment, or correct its paths.',
  ),
  OBJECT_MALFORMED: refused('Every object needs apiVersion, kind and metadata.name, and names that a path can hold.'),
  OBJECT_DUPLICATE: refused('Keep one of the two: they are the same object to the cluster.'),
  OBJECT_TOO_LARGE: refused('etcd does not take objects of this size. Split it.'),
  OBJECT_RESERVED: refused('Waybill or the API server sets this. Take it out.'),
  NAME_GENERATED: refused('Give it a metadata.name: what generateName makes cannot be found again.'),
  SECRET_VALUE: refused(
    'Keep secret values out of Git: use a secret operator or sealed secrets; or set checks.secrets: allow if that is meant.',
  ),
  IMAGE_UNPINNED: refused(
    'Run `waybill lock` and commit waybill.lock; or write the image with its digest: name@sha256:…; or set checks.images: any.',
  ),
  LOCK_INVALID: refused(
    'Put waybill.lock back from Git; or delete it, and run `waybill lock` to resolve every tag anew.',
  ),
  FIELD_UNKNOWN: refused(
    'The API server refuses fields that the kind does not have. Correct the name, or take it out.',
  ),
  FIELD_INVALID: refused('Correct the field; `kubectl explain` says what it takes.'),
  API_REMOVED: refused('Write it in the version that took its place; fields may have moved.'),
  API_UNKNOWN: refused('Correct apiVersion and kind, or pin the Kubernetes version that the clusters run.'),
  CRD_INVALID: refused('Correct the CRD: the API server takes structural schemas only.'),
  KUBERNETES_UNKNOWN: refused(
    'Pin a version that is known, or update Waybill; without a pin, schemas are not checked.',
  ),
  ADMISSION_DENIED: refused(
    'A policy of spec.policies does not allow this object, and clusters with it would not either. Change the object, or the policy.',
  ),
  ADMISSION_UNDECIDED: refused(
    'The policy depends on something that only the API server knows. Write the field into the object, or guard the policy with has().',
  ),
  ADMISSION_UNSUPPORTED: refused(
    'CI cannot evaluate this, and does not pass over it. Rewrite the policy, or keep it outside spec.policies; docs/guides/policies.md has what can be.',
  ),
  ADMISSION_INVALID: refused('Correct the policy; the API server would not take it either.'),
  REPLICAS_AUTOSCALED: refused('Take replicas out: every release would undo what the autoscaler chose.'),
  ANNOTATION_INVALID: refused('Correct the annotation; docs/guides/ordering.md has what each one takes.'),
  DEPENDENCY_UNKNOWN: refused(
    'Name an object of the same environment: GROUP/namespaces/NAMESPACE/KIND/NAME, or GROUP/KIND/NAME without a namespace.',
  ),
  DEPENDENCY_CYCLE: refused(
    'Take one of the dependencies out; everything comes after its own Namespace and CRD anyway.',
  ),

  // ---- lock and init
  LOCK_STALE: refused('Run `waybill lock` and commit waybill.lock.'),
  IMAGE_UNKNOWN: usage('Name an image of the commit, with its tag or without.'),
  FILE_EXISTS: refused('Nothing is written over. Move it away, or name another file.'),
  SOURCES_AMBIGUOUS: usage('Name what to deliver with --from; it may be given again.'),
  KEY_EXPOSED: refused('Keep the private key outside the repository, or have Git ignore it.'),

  // ---- warnings of check: they are shown, and nothing is refused
  API_DEPRECATED: warned('Move to the version that takes its place before the clusters move on.'),
  API_PREVIEW: warned('Make sure that the clusters serve it (--runtime-config), or use a stable version.'),
  DEPENDENCY_IGNORED: warned('Write the same as waybill.dev/depends-on; both may stand there.'),
  HOOK_IGNORED: warned(
    'Only hooks of charts are read. Say when it runs with waybill.dev/run, wave or depends-on, or take the annotation out.',
  ),
  HOOK_LEFT_OUT: warned('Do by hand what it would have done, or turn it off in the values.'),
  KUBERNETES_UNPINNED: warned('Pin spec.kubernetes.version in waybill.yaml.'),
  RULE_UNCHECKED: warned(
    'Look at it by hand; the puller has the API server evaluate the rule, in a dry run, before it writes the object.',
  ),
  SCHEMA_MISSING: warned('Add the CRD to the repository, and its path to spec.schemas in waybill.yaml.'),

  // ---- publishing
  BUILD_CONTRADICTED: refused(
    'Check out the commit that the run is about; or say with --ref what another commit is. docs/guides/publishing.md has the rules.',
  ),
  VERSION_TAKEN: refused('A version is never moved. Publish under a new version.'),
  VERSION_AMBIGUOUS: usage('The commit carries more than one version tag; say which with --version.'),
  NOT_PUBLISHED: refused('Publish and sign the artifact first; only what carries a valid signature can be promoted.'),
  READ_BACK_FAILED: failed(
    'later',
    'The registry did not give back what was written. No name was moved; publish again.',
  ),
  CHANNEL_ELSEWHERE: refused(
    'At the source the channel names another release. Copy that one, or promote this one there first.',
  ),
  PROMOTION_CONFLICT: refused('Somebody promoted at the same time. Look at the channel and promote again.', 'later'),

  // ---- registry
  REGISTRY_UNREACHABLE: failed(
    'later',
    'Check the address, the network, the proxy and the certificate authority (--ca-file); --plain-http is for a registry without TLS.',
  ),
  REGISTRY_AUTH: failed('on-change', 'Log in with `oras login` or `docker login`, or correct the pull secret.'),
  REGISTRY_NOT_FOUND: failed(
    'on-change',
    'Check how the repository and the channel, version or digest are spelt (in a Delivery: spec.source); it may not be published or promoted yet (`waybill publish`, `waybill promote`).',
  ),
  REGISTRY_RATE_LIMITED: failed('later', 'The registry asks to come back later.'),
  REGISTRY_FAILED: failed('later', 'The registry answered with an error of its own; try again, or try a mirror.'),
  REGISTRY_REDIRECT: refused(
    'The registry sends readers to a place that is not allowed. Check who answers at that address.',
  ),
  REGISTRY_ANSWER_INVALID: failed(
    'later',
    'What answered does not speak the OCI distribution protocol. Check the address and any proxy.',
  ),
  DIGEST_MISMATCH: failed('later', 'The registry or a proxy sent other bytes. Nothing was applied; try a mirror.'),

  // ---- artifact
  ARTIFACT_INVALID: refused('This is not a Waybill release, or it was damaged. Pack and publish it again.', 'never'),
  LAYER_INVALID: refused('The layer holds what a Waybill layer never holds. Do not trust who made it.', 'never'),
  OBJECT_INVALID: refused(
    'An object in the artifact differs from what its config lists. Pack and publish it again.',
    'never',
  ),

  // ---- trust: each refusal of Verify has a code of its own
  POLICY_INVALID: refused('Correct the TrustPolicy.'),
  POLICY_MISSING: refused('A cluster admin must add a TrustPolicy whose repositories match.'),
  MIRROR_UNTRUSTED: refused(
    'Read the package where it is from, or have a cluster admin add the mirror to spec.mirrors of the TrustPolicy.',
  ),
  SIGNATURE_MISSING: refused('Publish with --key so that the artifact is signed.'),
  SIGNER_UNTRUSTED: refused('Signed by someone outside the policy. Re-sign, or add the signer to the TrustPolicy.'),
  SIGNER_RETIRED: refused(
    'The signer is retired: good for what already ran here, not for anything new. Sign with an active key.',
  ),
  SIGNER_REVOKED: refused(
    'The signer is revoked. Nothing is written until the running release rests on a trusted signer again.',
  ),
  PREDICATE_UNEXPECTED: refused(
    'A trusted key signed a statement of another type over this artifact; that is not a signature of it. Sign it.',
  ),
  SUBJECT_MISMATCH: refused('The statement speaks of another artifact. Somebody attached it to the wrong digest.'),
  PROVENANCE_MISSING: refused('The policy asks for SLSA provenance; publish with the key that the policy names.'),
  PROVENANCE_INVALID: refused(
    'The provenance says something that verifiers must not ignore. Publish with Waybill, or correct what made it.',
  ),
  PROVENANCE_SOURCE: refused('Built from another repository than the policy allows.'),
  PROVENANCE_REF: refused('Built from a branch or tag that the policy does not allow.'),
  PROVENANCE_BUILDER: refused('Built by another builder than the policy allows.'),
  PACKAGE_MISMATCH: refused(
    'The artifact belongs to another package or repository. Declare mirrorOf if this is a mirror.',
  ),
  RELEASE_MISSING: refused(
    'No trusted release statement names this version for this digest. Publish it with --version.',
  ),
  VERSION_MOVED: refused('This version was seen here at another digest. A version never moves: publish a new one.'),
  VERSION_UNMATCHED: refused(
    'Publish a version in the range (`waybill publish --version`), or edit spec.source.version; prereleases count only where the range names one.',
  ),
  VERSION_REPLAYED: refused(
    'A newer version was seen here, and its tag is gone. Put the tag back, or publish a newer one; to go back, use `waybill rollback` or edit spec.source.',
  ),
  PROMOTION_MISSING: refused(
    'The channel’s tag points at a digest that nobody promoted there. Promote it, or put the tag back.',
  ),
  PROMOTION_REPLAYED: refused(
    'The channel’s tag went back to an older promotion. Going back is a new promotion, or `waybill rollback`.',
  ),
  PROMOTION_SEQUENCE_REUSED: refused('Two digests carry the same promotion number. Promote again.'),

  // ---- cluster
  CLUSTER_CONFIG: usage('Name a kubeconfig with --kubeconfig, and a context that it holds with --context.'),
  CLUSTER_UNREACHABLE: failed(
    'later',
    'Check the address and that the API server is up. In a pod: that a NetworkPolicy lets it out (waybill install --egress-port).',
  ),
  CLUSTER_AUTH: failed('on-change', 'The credentials of the kubeconfig are not accepted; log in again.'),
  CLUSTER_FORBIDDEN: failed(
    'on-change',
    'Ask for the missing right; `waybill install` and `waybill tenant` print the RBAC that is needed.',
  ),
  CLUSTER_NOT_FOUND: failed('on-change', 'Check the name and the namespace (-n).'),
  CLUSTER_CONFLICT: failed('later', 'Somebody else changed it at the same time; it is tried again.'),
  CLUSTER_FAILED: failed('later', 'The API server answered with an error.'),
  LEADER_LOST: failed(
    'later',
    'Another replica leads now, or the API server could not be reached in time. This one writes nothing until it leads again.',
  ),
  CLUSTER_NOT_INSTALLED: failed(
    'on-change',
    'Install Waybill’s kinds: waybill install --crds-only | kubectl apply --server-side -f -',
  ),
  PULLER_RUNNING: refused(
    'Stop that puller first: what stands before the _ is its machine. A Lease that nobody renews any more is free by itself.',
  ),
  RECORDS_UNSAVED: refused(
    'Save them with --records-to FILE, which `waybill audit --records FILE` reads, or say --forget-records.',
  ),
  UNINSTALL_UNFINISHED: failed('later', 'Run it again: it goes on where it stopped.'),
  DELIVERY_INVALID: refused('Correct the Delivery; `kubectl explain delivery.spec` has every field.'),
  ACCOUNT_MISSING: refused('Create the service account; `waybill tenant NAMESPACE` prints it with its Roles.'),
  ACCOUNT_FORBIDDEN: refused(
    'Check spec.serviceAccountName, or give the puller the right to act as it: `waybill tenant NAMESPACE` prints the Role. A puller with --guard needs what `waybill install --guard` prints, too.',
  ),
  SECRET_INVALID: refused(
    'The pull or CA secret must exist, be readable by the service account and hold what its type says.',
  ),

  // ---- plan
  PLAN_REFUSED: refused('Each object above says why. Nothing was written.'),
  OBJECT_REFUSED: refused('The API server does not accept this object; correct it and publish again.'),
  CRD_VERSION_STORED: refused(
    'Bring every object of that kind to a version that both definitions have, take the old one out of status.storedVersions, then go on; or deliver a definition that still has it.',
  ),
  OBJECT_FORBIDDEN: refused('The service account may not do this; give it the right, or take the object out.'),
  OBJECT_OWNED: refused(
    'It exists and is not ours. Delete it, or set spec.adopt; what another Delivery has, that one has to let go of first.',
  ),
  OBJECT_IMMUTABLE: refused(
    'The change touches a field that cannot change. Give the object a new name, or have it replaced: name its kind in spec.force.kinds.',
  ),
  JOB_CHANGED: refused(
    'A Job cannot change once it exists. Let it run once for each release (waybill.dev/run: once-per-release), or give it a new name.',
  ),
  KIND_UNKNOWN: refused('The cluster does not know this kind, and the artifact does not bring its CRD.'),
  PRUNE_LIMIT: refused(
    'More would be deleted than prune.maxPercent allows. If exactly this is meant, annotate the Delivery waybill.dev/confirm: <confirmation>, as the message says.',
  ),
  PRUNE_PROTECTED: refused(
    'A Namespace, CRD or PersistentVolumeClaim, or what is annotated waybill.dev/prune: confirm, would be deleted. If exactly this is meant, annotate the Delivery waybill.dev/confirm: <confirmation>, as the message says.',
  ),
  REMOVAL_INCOMPLETE: refused(
    'The Delivery is gone, and these objects are left where they are: delete them by hand, where that is meant.',
  ),
  ENVIRONMENT_EMPTY: refused(
    'The artifact has no objects for this environment, so everything would be deleted. If exactly this is meant, annotate the Delivery waybill.dev/confirm: <confirmation>, as the message says.',
  ),
  ENVIRONMENT_UNKNOWN: refused('The artifact has no such environment. Set spec.environment to one that it has.'),

  INVENTORY_INVALID: refused(
    'A DeliveryInventory was changed behind Waybill’s back. Put it back from a backup; nothing is written or deleted before.',
  ),

  // ---- apply and wait
  APPLY_FAILED: failed('later', 'Some objects were not applied; each says why. It is tried again.'),
  HEALTH_TIMEOUT: {
    exit: 4,
    retry: 'later',
    hint: 'Look at the objects named; they did not become ready in time. A newer release takes the place of this one; `waybill rollback` goes back.',
  },
  HEALTH_FAILED: failed(
    'later',
    'Look at the objects named; they report that they failed. A newer release takes the place of this one; `waybill rollback` goes back.',
  ),
  DRIFT_CONTESTED: failed(
    'later',
    'Two managers fight over it: leave the field to the other one (spec.ignore), or have it stop. It is tried again, less and less often.',
  ),
  SUPERSEDED: failed('later', 'A newer release or an edited Delivery took its place.'),

  // ---- records
  RECORD_CHAIN_BROKEN: {
    exit: 3,
    retry: 'on-change',
    hint: 'Records were changed behind Waybill’s back. Keep them and find out who (`waybill audit`). To go on, on record: annotate the Delivery waybill.dev/confirm: <status.lastRecord.hash>.',
  },
  RECORDS_FULL: failed(
    'on-change',
    'One puller keeps some 4,000 Deliveries. Delete those that are not needed; what they leave behind makes room within ten minutes. What was kept before goes on.',
  ),
  RECORD_KEY: failed('on-change', 'The puller’s key Secret or its public half is missing or damaged.'),
  ROLLBACK_TARGET: usage('Choose a digest that `waybill history` shows as applied.'),
  HOLD_MISSING: usage('There is no hold to lift: `waybill get` shows what keeps the Delivery where it is.'),
  SUSPEND_MISSING: usage('There is no suspension to end: `waybill get` shows what keeps the Delivery where it is.'),
  APPROVAL_MISSING: usage('Nothing is to be approved: `waybill get` shows what the Delivery waits for.'),
  PLAN_STALE: refused(
    'What would be done is no longer what you looked at. Look again with `waybill plan`, then approve that.',
  ),

  // ---- seen from outside
  LISTEN_FAILED: failed('on-change', 'Name another address with --listen, such as :8080 or 127.0.0.1:8080.'),
  HOOK_SECRET: usage('Give --hook-secret-file a file with the secret that the registry sends: 16 characters or more.'),
  NOTIFICATION_SECRET: refused(
    'The notification’s Secret must exist beside the Delivery, be readable by its service account, and hold an https address in `url`; and a `key` of 24 bytes or more to sign with, for type cloudevents.',
  ),
  NOTIFICATION_REFUSED: refused(
    'Notifications go to https addresses on the network only, not to this machine and not to link-local addresses. For trials: --notify-anywhere.',
  ),
  NOTIFICATION_FAILED: failed('later', 'Check that the receiver is up and takes the notification; it is tried again.'),

  // ---- ours
  INTERNAL: failed('never', 'This is a fault in Waybill. Please report it with the message.'),
} as const satisfies Readonly<Record<string, ErrorEntry>>

export type ErrorCode = keyof typeof ERRORS

export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(ERRORS, text)
}

/** One fault among several, with its place: a file and line in a commit, or an object in a cluster. */
export type Fault = {
  readonly code: ErrorCode
  readonly message: string
  readonly file?: string
  /** From 1. */
  readonly line?: number
  /** `Deployment.apps production/api`, as `objectName` writes it. */
  readonly object?: string
  readonly environment?: string
  readonly hint?: string
}

export type WaybillErrorOptions = {
  readonly cause?: unknown
  /** Replaces the table's hint, where this event allows a better one. */
  readonly hint?: string
  readonly faults?: readonly Fault[]
  /** What people should see beside the faults. */
  readonly warnings?: readonly Fault[]
  /** Seconds that the other side asked us to wait. */
  readonly retryAfterSeconds?: number
}

/** The only error class that crosses a room. Its message never holds a secret value. */
export class WaybillError extends Error {
  readonly code: ErrorCode
  readonly hint: string
  readonly retry: Retry
  readonly exit: ExitStatus
  readonly faults: readonly Fault[]
  readonly warnings: readonly Fault[]
  readonly retryAfterSeconds: number | undefined

  constructor(code: ErrorCode, message: string, options: WaybillErrorOptions = {}) {
    super(message, options.cause === undefined ? {} : { cause: options.cause })
    this.name = 'WaybillError'
    this.code = code
    this.hint = options.hint ?? ERRORS[code].hint
    this.retry = ERRORS[code].retry
    this.exit = ERRORS[code].exit
    this.faults = options.faults ?? []
    this.warnings = options.warnings ?? []
    this.retryAfterSeconds = options.retryAfterSeconds
  }
}

/** True for a WaybillError with one of these codes. */
export function hasCode(error: unknown, ...codes: readonly ErrorCode[]): error is WaybillError {
  return error instanceof WaybillError && codes.includes(error.code)
}
