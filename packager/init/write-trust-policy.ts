/** What a first TrustPolicy says. */
export type PolicyDraft = {
  readonly name: string
  readonly repository: string
  readonly source: string
  /** SPKI PEM. */
  readonly publicPem: string
}

/** The text of a TrustPolicy for a cluster's admin to apply, that trusts one key with everything. */
export function writeTrustPolicy({ name, repository, source, publicPem }: PolicyDraft): string {
  return `# Whom a cluster trusts for this package. A cluster's admin applies it: kubectl apply -f
apiVersion: waybill.dev/v1alpha1
kind: TrustPolicy
metadata:
  name: ${name}
spec:
  # One repository, or ** at the end for all below.
  repositories:
    - ${JSON.stringify(repository)}
  authorities:
    - name: release
      key:
        pem: |
${publicPem
  .trimEnd()
  .split('\n')
  .map((line) => `          ${line}`)
  .join('\n')}
  # Who signs what. Promotions may be another key's, that fewer people hold.
  require:
    signature: { by: [release] }
    provenance:
      by: [release]
      sourceRepository: ${JSON.stringify(source)}
      # builderId and sourceRefs narrow it further, once a CI publishes.
    release: { by: [release] }
    promotion: { by: [release] }
`
}
