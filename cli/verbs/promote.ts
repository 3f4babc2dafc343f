import { parseChannel, parseReference } from '../../contract/reference.ts'
import { promote } from '../../packager/publish/promote.ts'
import { examples, quietFlag, registryFlags } from '../flags.ts'
import { openReader, openWriter } from '../registry.ts'
import { readPolicies, readSigningKey } from '../signing.ts'
import type { Verb } from '../verb.ts'

export const verb: Verb = {
  define: (command) => {
    command
      .argument('<reference>', 'a published release: repository:version or repository@sha256:…')
      .requiredOption('--to <channel>', 'the channel, for instance production')
      .requiredOption('--key <file>', 'ECDSA P-256: a PEM file, or a cosign.key with its password in COSIGN_PASSWORD')
      .option('--reason <text>', 'why; it is signed')
      .option('--policy <file>', 'TrustPolicies that the release must satisfy first (default: signed by --key)')
    quietFlag(registryFlags(command))
    examples(
      command,
      'waybill promote registry.example.com/acme/shop:1.4.2 --to production --key release.pem',
      'waybill promote registry.example.com/acme/shop@sha256:… --to production --key release.pem --reason "back to 1.4.1"',
    )
  },
  run: async ([text = ''], flags, context) => {
    const reference = parseReference(text)
    const channel = parseChannel(flags.need('to'))
    const key = await readSigningKey(flags, context)
    const policies = await readPolicies(flags, context)
    const reason = flags.text('reason')
    await using opened = await openReader(flags, context)
    const promoted = await promote(reference, {
      writer: openWriter(opened.session, flags, context),
      reader: opened.reader,
      channel,
      key,
      now: context.now,
      onStep: context.step,
      ...(policies === undefined ? {} : { policies }),
      ...(reason === undefined ? {} : { reason }),
    })
    const did = promoted.changed ? 'is now' : 'was already'
    return { data: promoted, text: `${channel} ${did} ${promoted.reference} (promotion ${promoted.sequence})` }
  },
}
