/**
 * Fields that OpenAPI calls required, and that the API server takes an object without: Go's zero value is valid there, or is filled in. By the
 * last part of the definition's name, for every version. A test on a real API server finds what is missing here.
 */
const OPTIONAL = new Set([
  'ControllerRevision.revision',
  'Counter.value',
  'CSINodeSpec.drivers',
  'CustomResourceDefinitionVersion.served',
  'DeviceCapacity.value',
  'ForNode.name',
  'ForZone.name',
  'HTTPHeader.value',
  'ISCSIPersistentVolumeSource.lun',
  'ISCSIVolumeSource.lun',
  'LimitRangeSpec.limits',
  'PodFailurePolicy.rules',
  'ResourcePool.generation',
  'ScaleIOPersistentVolumeSource.secretRef',
  'ScaleIOVolumeSource.secretRef',
  'SleepAction.seconds',
  'Sysctl.value',
  'TokenRequest.audience',
  'TypedLocalObjectReference.kind',
])

/** Whether a field may be left out though its definition requires it. */
export function isOptional(definition: string, field: string): boolean {
  return OPTIONAL.has(`${definition.slice(definition.lastIndexOf('.') + 1)}.${field}`)
}
