/** A document of what helm rendered, and the template or CRD file that it is of: `shop/templates/api.yaml`. */
export type Chunk = { readonly source: string; readonly text: string }

/** Takes apart what `helm template` prints, in its order. */
export function chunksOf(output: string): readonly Chunk[] {
  const [, ...pieces] = `\n${output}`.split(/\n---\n# Source: (.+)\n/)
  return pieces.flatMap((source, i) => (i % 2 === 0 ? [{ source, text: pieces[i + 1] ?? '' }] : []))
}
