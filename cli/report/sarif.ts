import { ERRORS, type ErrorCode } from '../../contract/errors.ts'
import { explainFinding, type Finding } from './findings.ts'

/** Where the error table is read; the code in lower case is the anchor. */
const HELP = 'https://waybill.dev/errors'

/** A SARIF 2.1.0 log of one run, as code scanning services take it; `version` is Waybill's own. */
export function sarifReport(findings: readonly Finding[], version: string): string {
  const codes = [...new Set(findings.map(({ code }) => code))].sort()
  const run = {
    tool: { driver: { name: 'Waybill', version, informationUri: 'https://waybill.dev', rules: codes.map(ruleOf) } },
    columnKind: 'utf16CodeUnits',
    results: findings.map((finding) => resultOf(finding, codes)),
  }
  return JSON.stringify(
    { $schema: 'https://json.schemastore.org/sarif-2.1.0.json', version: '2.1.0', runs: [run] },
    null,
    2,
  )
}

function ruleOf(code: ErrorCode) {
  return {
    id: code,
    shortDescription: { text: code.toLowerCase().replaceAll('_', ' ') },
    help: { text: ERRORS[code].hint },
    helpUri: `${HELP}#${code.toLowerCase()}`,
  }
}

function resultOf(finding: Finding, codes: readonly ErrorCode[]) {
  const { level, code, file, line, object, fingerprint } = finding
  const uri = file.toWellFormed().split('/').map(encodeURIComponent).join('/')
  return {
    ruleId: code,
    ruleIndex: codes.indexOf(code),
    level,
    message: { text: explainFinding(finding) },
    locations: [
      {
        physicalLocation: { artifactLocation: { uri }, region: { startLine: line } },
        ...(object !== undefined && { logicalLocations: [{ fullyQualifiedName: object, kind: 'object' }] }),
      },
    ],
    partialFingerprints: { 'waybillFault/v1': fingerprint },
  }
}
