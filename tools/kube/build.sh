#!/usr/bin/env bash
# Prints the folder that holds etcd and kube-apiserver, built from the modules
# of this folder's go.mod. The first time on a machine that takes minutes, 5 GB
# that are deleted after, and 0.6 GB in the module cache; then they are kept in
# a cache folder. Safe to interrupt and to run twice at the same time.
#
# Status 3: they cannot be had here; the last line of stderr says why.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

cache=${REDRIVE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/redrive}
need_mib=6000

export GOWORK=off CGO_ENABLED=0
version=$(sed -n 's/^require k8s.io\/kubernetes v//p; s/^\tk8s.io\/kubernetes v//p' go.mod)
inputs=$(cat go.mod go.sum cmd/*/main.go | sha256sum | cut -c -8)
folder=$cache/kube-$version-$inputs

skip() {
  echo "kube $version: $1" >&2
  exit 3
}

if [[ -x $folder/etcd && -x $folder/kube-apiserver ]]; then
  echo "$folder"
  exit
fi

mkdir -p "$cache"
# Whoever comes second waits for the first one's build.
exec 9>"$cache/kube.lock"
flock 9
if [[ -x $folder/etcd && -x $folder/kube-apiserver ]]; then
  echo "$folder"
  exit
fi

# What an interrupted build left, and other versions than this one.
rm -rf "$cache"/kube-build.* "$cache"/kube-[0-9]*
work=$(mktemp -d "$cache/kube-build.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP

free=$(df --output=avail -m "$cache" | tail -n 1)
((free >= need_mib)) || skip "building needs $need_mib MiB below $cache, $((free)) MiB are free"

echo "building etcd and kube-apiserver $version into $folder (about ten minutes, once on this machine)" >&2
if ! go list -deps ./cmd/... >/dev/null 2>"$work/list"; then
  cat "$work/list" >&2
  # What the modules are is checked; only their absence is an excuse.
  if grep -qE 'SECURITY ERROR|checksum mismatch|missing go.sum|updates to go.mod' "$work/list"; then exit 1; fi
  skip "its modules cannot be had from $(go env GOPROXY)"
fi

# A build cache of its own, deleted after: nothing else needs these packages.
p=k8s.io/component-base/version
IFS=. read -r major minor _ <<<"$version"
GOCACHE=$work/cache TMPDIR=$work go build -trimpath -o "$work/bin/" \
  -ldflags "-s -w -X $p.gitVersion=v$version -X $p.gitMajor=$major -X $p.gitMinor=$minor" ./cmd/...
mv "$work/bin" "$folder"
echo "$folder"
