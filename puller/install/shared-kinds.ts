import { WaybillError } from '../../contract/errors.ts'

/** A kind that the puller watches in the whole cluster, as itself. */
export type SharedKind = { readonly group: string; readonly kind: string; readonly plural: string }

/** Kinds of Kubernetes itself that people deliver, as they are written. Secrets are not among them, and never will be. */
const BUILT_IN: Readonly<Record<string, string>> = {
  ConfigMap: 'configmaps',
  Service: 'services',
  ServiceAccount: 'serviceaccounts',
  PersistentVolumeClaim: 'persistentvolumeclaims',
  Pod: 'pods',
  'Deployment.apps': 'deployments',
  'StatefulSet.apps': 'statefulsets',
  'DaemonSet.apps': 'daemonsets',
  'Job.batch': 'jobs',
  'CronJob.batch': 'cronjobs',
  'Ingress.networking.k8s.io': 'ingresses',
  'NetworkPolicy.networking.k8s.io': 'networkpolicies',
  'HorizontalPodAutoscaler.autoscaling': 'horizontalpodautoscalers',
  'PodDisruptionBudget.policy': 'poddisruptionbudgets',
  'Role.rbac.authorization.k8s.io': 'roles',
  'RoleBinding.rbac.authorization.k8s.io': 'rolebindings',
}

/**
 * `Deployment.apps`, `ConfigMap`; of custom kinds with the plural: `Bell.example.com=bells`.
 * @throws WaybillError USAGE; also for Secrets, which the puller must not be able to read
 */
export function parseSharedKind(text: string): SharedKind {
  const [name = '', given] = text.split('=')
  const dot = name.indexOf('.')
  const [kind, group] = dot < 0 ? [name, ''] : [name.slice(0, dot), name.slice(dot + 1)]
  const plural = given ?? (Object.hasOwn(BUILT_IN, name) ? BUILT_IN[name] : undefined)
  if (group === '' && (/^secrets?$/i.test(kind) || plural === 'secrets'))
    throw new WaybillError('USAGE', 'Secrets are never watched by the puller itself: it could read them all')
  if (!/^[A-Z][A-Za-z0-9]*$/.test(kind) || plural === undefined || !/^[a-z][a-z0-9]*$/.test(plural))
    throw new WaybillError(
      'USAGE',
      `${text.slice(0, 128)}: not a kind such as Deployment.apps, or Bell.example.com=bells for a custom one`,
    )
  return { group, kind, plural }
}
