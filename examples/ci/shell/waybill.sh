#!/usr/bin/env bash
# For any CI that runs a shell:
#   waybill.sh check BASE                     checks the commit; writes waybill-diff.md, what it changes against BASE
#   waybill.sh publish CHANNEL                publishes the commit, where CHANNEL does not name the same objects yet
#   waybill.sh promote REFERENCE CHANNEL WHY  points CHANNEL at a release
# publish and promote need WAYBILL_KEY, the file of a signing key, and a registry that `oras login` was told of. publish needs
# BUILDER_ID, a URI for the machine that builds, and BUILD_REF, the ref that is built, such as refs/heads/main.
set -euo pipefail

case ${1:-} in
  check)
    base=${2:?BASE is needed}
    waybill diff "$base" HEAD --output markdown > waybill-diff.md
    waybill check
    ;;
  publish)
    waybill publish --key "${WAYBILL_KEY:?}" --channel "${2:?CHANNEL is needed}" --if-changed \
      --builder-id "${BUILDER_ID:?}" --ref "${BUILD_REF:?}"
    ;;
  promote)
    waybill promote "${2:?REFERENCE is needed}" --to "${3:?CHANNEL is needed}" --reason "${4:?a reason is needed}" --key "${WAYBILL_KEY:?}"
    ;;
  *)
    sed -n '2,8s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
