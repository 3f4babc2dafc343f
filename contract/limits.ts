/**
 * Every bound on what comes from outside, in one table. The packager refuses to make what exceeds one, and the puller
 * refuses to read it: a declared size is checked before the first byte is read. Units are in the names.
 */
export const LIMITS = {
  /** An OCI image manifest or index. Distribution-spec 1.1.1 asks registries to take at least 4 MiB. */
  manifestBytesMax: 4 * 1024 * 1024,
  /** The release config: about 300 bytes for each object of each environment. */
  configBytesMax: 32 * 1024 * 1024,
  /** The one layer, as it is stored: gzip. */
  layerBytesMax: 64 * 1024 * 1024,
  /** The same layer, unpacked: headers and padding included. Guards against decompression bombs. */
  layerUnpackedBytesMax: 512 * 1024 * 1024,
  /** Entries of the layer's tar archive. */
  layerEntriesMax: 100_000,
  /** One object's canonical JSON. etcd refuses requests over 1.5 MiB. */
  objectBytesMax: 1_500_000,
  /** Objects of one environment. */
  objectsPerEnvironmentMax: 20_000,
  environmentsMax: 64,
  /** Nesting of arrays and objects in any JSON that is parsed. */
  jsonDepthMax: 128,
  /** One path inside the layer. */
  pathBytesMax: 1024,
  /** Referrers of one artifact that are looked at; more are refused, not cut. */
  referrersMax: 500,
  referrerPagesMax: 50,
  /** Tags of one repository that are looked through for a version; more are refused, not cut. */
  tagsMax: 50_000,
  tagPagesMax: 500,
  /** All bundles of one artifact together. */
  bundlesBytesMax: 64 * 1024 * 1024,
  /** One Sigstore bundle. */
  bundleBytesMax: 1024 * 1024,
  /** A registry's error or token answer. */
  registryAnswerBytesMax: 1024 * 1024,
  registryRedirectsMax: 3,
  /** Silence on a registry connection, before it counts as down. */
  registryIdleMs: 20_000,
  /** A whole registry request, headers to last byte. */
  registryRequestMs: 300_000,
  /** waybill.yaml. */
  packageFileBytesMax: 256 * 1024,
  /** waybill.lock: about 150 bytes for each image. */
  lockFileBytesMax: 1024 * 1024,
  /** One YAML file that is rendered. */
  manifestFileBytesMax: 32 * 1024 * 1024,
  /** Files of one commit, and their bytes together. */
  treeEntriesMax: 500_000,
  treeBytesMax: 4 * 1024 * 1024 * 1024,
  /** Values in one YAML file, aliases expanded. */
  yamlValuesMax: 2_000_000,
  /** YAML aliases expanded in one document ("billion laughs"). */
  yamlAliasesMax: 1000,
  /** Items that the macros of one policy walk over, for one object. Where it ends, the policy is undecided. */
  policyStepsMax: 100_000,
  /** Operations that evaluating one expression of a policy may take, for one object. Where it ends, it is undecided. */
  policyWorkMax: 10_000_000,
  /** Operations that evaluating one expression over one object may take in the puller. */
  expressionWorkMax: 200_000,
  /** One expression that the puller evaluates. */
  expressionCharsMax: 4096,
  /** Instructions of the regular expressions in one expression. */
  patternSizeMax: 20_000,
  /** What a child process (kustomize, oras, git) may print. */
  childOutputBytesMax: 256 * 1024 * 1024,
  childMs: 300_000,
  /** Copying one artifact or one container image. */
  copyMs: 3_600_000,
  /** One answer of the API server. */
  clusterAnswerBytesMax: 64 * 1024 * 1024,
  /** What a registry's webhook may send. */
  hookBodyBytesMax: 1024 * 1024,
  /** Entries in one DeliveryInventory shard. */
  inventoryShardEntriesMax: 1000,
  /** Changes that a record lists one by one; the digest of the whole list is always there. */
  recordChangesMax: 200,
  /** Characters of one error message in a status or record. */
  messageCharsMax: 2048,
} as const
