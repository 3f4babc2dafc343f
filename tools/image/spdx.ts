import type { Digest } from '../../contract/digest.ts'
import { digestHex } from '../../contract/digest.ts'
import type { Component } from './component.ts'

export type SpdxSubject = {
  readonly name: string
  readonly version: string
  readonly license: string
  readonly platform: string
  readonly digest: Digest
  /** A UTC time in whole seconds. */
  readonly created: string
}

/** What is in an image, as SPDX 2.3 JSON (spdx.github.io/spdx-spec/v2.3): the same image and components, the same document. */
export function spdxDocument(subject: SpdxSubject, components: readonly Component[]): Record<string, unknown> {
  const { name, version, license, platform, digest, created } = subject
  const image = 'SPDXRef-image'
  const listed = components.map((component, index) => ({ component, id: `SPDXRef-package-${index + 1}` }))
  const files = listed.flatMap(({ component, id }) => component.files.map((file) => ({ file, owner: id })))
  const related = (from: string, relationshipType: string, to: string) => ({
    spdxElementId: from,
    relationshipType,
    relatedSpdxElement: to,
  })
  return {
    spdxVersion: 'SPDX-2.3',
    dataLicense: 'CC0-1.0',
    SPDXID: 'SPDXRef-DOCUMENT',
    name: `${name}-${version}-${platform.replaceAll('/', '-')}`,
    documentNamespace: `https://waybill.dev/spdx/${name}/${digestHex(digest)}`,
    creationInfo: { created, creators: [`Tool: ${name}-${version}`] },
    packages: [
      {
        ...unknown,
        SPDXID: image,
        name,
        versionInfo: version,
        licenseDeclared: license,
        primaryPackagePurpose: 'CONTAINER',
        checksums: [{ algorithm: 'SHA256', checksumValue: digestHex(digest) }],
      },
      ...listed.map(({ component, id }) => packageOf(component, id)),
    ],
    files: files.map(({ file }, index) => ({
      SPDXID: `SPDXRef-file-${index + 1}`,
      fileName: `.${file.path}`,
      checksums: [
        { algorithm: 'SHA1', checksumValue: file.sha1 },
        { algorithm: 'SHA256', checksumValue: file.sha256 },
      ],
      licenseConcluded: 'NOASSERTION',
      copyrightText: 'NOASSERTION',
    })),
    relationships: [
      related('SPDXRef-DOCUMENT', 'DESCRIBES', image),
      ...listed.map(({ id }) => related(image, 'CONTAINS', id)),
      ...files.map(({ owner }, index) => related(owner, 'CONTAINS', `SPDXRef-file-${index + 1}`)),
    ],
  }
}

const unknown = {
  downloadLocation: 'NOASSERTION',
  filesAnalyzed: false,
  licenseConcluded: 'NOASSERTION',
  copyrightText: 'NOASSERTION',
}

function packageOf({ name, version, license, purl, sha512 }: Component, id: string): Record<string, unknown> {
  return {
    ...unknown,
    SPDXID: id,
    name,
    versionInfo: version,
    licenseDeclared: license,
    externalRefs: [{ referenceCategory: 'PACKAGE-MANAGER', referenceType: 'purl', referenceLocator: purl }],
    ...(sha512 === undefined ? {} : { checksums: [{ algorithm: 'SHA512', checksumValue: sha512 }] }),
  }
}
