#!/bin/sh
# Pid 1 of a node: sets up the mounts, sysctls and links that only it and what it holds can see, then stays and buries orphans.
# Started by namespaces.ts inside `unshare`, as: inside.sh FOLDER HOSTNAME SERVICE_RANGE ADDRESS…
set -eu
folder=$1 hostname=$2 services=$3
shift 3

mount --make-rprivate /
mount --make-rshared /
# containerd, CNI and kubelet also write fixed paths: what they write there goes to the folder, and with it.
mount -t tmpfs tmpfs /run
mkdir -p /run/lock
for place in var opt usr/libexec etc; do
  mkdir -p "$folder/overlay/$place/upper" "$folder/overlay/$place/work"
  mount -t overlay overlay -o "lowerdir=/$place,upperdir=$folder/overlay/$place/upper,workdir=$folder/overlay/$place/work" "/$place"
done

# kubelet wants to set these for the whole machine: it is shown files that hold what it wants.
mkdir -p "$folder/sysctl"
for pair in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 \
  kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
  file=$folder/sysctl/$(echo "${pair%=*}" | tr / -)
  echo "${pair#*=}" >"$file"
  mount --bind "$file" "/proc/sys/${pair%=*}"
done

echo "$hostname" >/proc/sys/kernel/hostname
ip link set lo up
# A bridge and not a dummy link: some kernels have no dummy.
ip link add node0 type bridge
for address in "$@"; do ip address add "$address/24" dev node0; done
ip link set node0 up
ip route add "$services" dev node0
ip route add unreachable default

echo ready >"$folder/inside"
while :; do sleep 1; done
