/** Something that an image was made of: what its SPDX document and its provenance list. */
export type Component = {
  readonly name: string
  readonly version: string
  /** A package URL (purl-spec). */
  readonly purl: string
  /** An SPDX licence expression, or NOASSERTION. */
  readonly license: string
  /** Of the archive that package-lock.json names: 128 hex digits. */
  readonly sha512?: string
  /** Files of the machine that built the image, as they stand in it. */
  readonly files: readonly ComponentFile[]
}

/** Hex digits; `path` is the one in the image. SPDX 2.3 (8.4) wants SHA-1 of every file, whatever else is there. */
export type ComponentFile = { readonly path: string; readonly sha256: string; readonly sha1: string }
