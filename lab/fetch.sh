#!/bin/bash
# fetch.sh MIRROR KEYRING SUITE OUT PACKAGE...
# Unpacks Debian packages with their dependencies into OUT, and makes copies of some programs that run on this machine
# with the suite's own C library (OUT/lab). The machine's apt and dpkg are not touched: lists, status and cache are OUT's.
set -euo pipefail
mirror=$1 keyring=$2 suite=$3 out=$4
shift 4
say() { echo "$suite: $*"; }
stamp="$out $*"
complete() { [ "$(cat "$out/.lab-packages" 2>/dev/null)" = "$stamp" ]; }

mkdir -p "${out%/*}"
exec 9>"$out.lock"
flock -n 9 || { say "waiting for another run that prepares it"; flock 9; }
complete && exit 0

apt=$out.apt new=$out.new
rm -rf "$apt" "$new"
mkdir -p "$apt"/{lists,archives}/partial "$apt"/{state,log} "$new/lab"
: > "$apt/state/status"
echo "deb [signed-by=$keyring] $mirror $suite main" > "$apt/sources.list"
# How the machine reaches its mirror (proxies, certificates) holds for us too.
apt-config dump --format '%F "%v";%n' | grep -E '^Acquire::(https?|ForceIPv[46])(::| )' > "$apt/apt.conf" || true
cat >> "$apt/apt.conf" <<END
Dir::Etc::sourcelist "$apt/sources.list"; Dir::Etc::sourceparts "/dev/null";
Dir::Etc::parts "/dev/null"; Dir::Etc::main "/dev/null";
Dir::Etc::preferences "/dev/null"; Dir::Etc::preferencesparts "/dev/null";
Dir::State "$apt/state"; Dir::State::lists "$apt/lists"; Dir::State::status "$apt/state/status";
Dir::Cache "$apt"; Dir::Cache::archives "$apt/archives"; Dir::Log "$apt/log";
APT::Update::Error-Mode "any"; APT::Install-Recommends "false"; APT::Get::Assume-Yes "true"; APT::Sandbox::User "root";
APT::Architecture "$(dpkg --print-architecture)"; APT::Architectures { "$(dpkg --print-architecture)"; };
Acquire::Languages "none"; Acquire::Retries "5"; Acquire::http::Timeout "30"; Acquire::https::Timeout "30";
# A mirror of the past is as good as one of today: only signatures count.
Acquire::Check-Valid-Until "false";
Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
END
export APT_CONFIG=$apt/apt.conf LC_ALL=C

say "reading the package list"
apt-get -qq update
say "downloading $(apt-get --simulate install "$@" | grep -c '^Inst ') packages, $(apt-get --print-uris -qq install "$@" | awk '{s += $3} END {printf "%.0f MB", s / 1e6}')"
apt-get -qq --download-only install "$@" > /dev/null
say "unpacking"
for deb in "$apt"/archives/*.deb; do
  dpkg-deb --fsys-tarfile "$deb" | tar -C "$new" -xf - --keep-directory-symlink
done
rm -rf "$apt" "$new"/usr/share/{doc,man,locale,lintian}

first() { local path; for path; do [ -f "$path" ] && { echo "$path"; return; }; done; echo "$suite has none of: $*" >&2; return 1; }
loader=$(first "$new"/{,usr/}lib*/ld-linux*.so.* "$new"/{,usr/}lib/*-linux-gnu/ld-linux*.so.*)
here=
for path in "$new"/{,usr/}lib/*-linux-gnu; do if [ -d "$path" ]; then here=$here${here:+:}$path; fi; done
for program in runc crun criu skopeo umoci strace checkpointctl bsdtar; do
  case " $* " in *" ${program/bsdtar/libarchive-tools} "*) ;; *) continue ;; esac
  cp "$(first "$new"/{,usr/}{s,}bin/$program)" "$new/lab/$program"
  "$loader" --library-path "$here" "$(first "$new/usr/bin/patchelf")" --set-interpreter "$out${loader#"$new"}" \
    --force-rpath --set-rpath "${here//"$new"/"$out"}" "$new/lab/$program"
done

echo "$stamp" > "$new/.lab-packages"
rm -rf "$out"
mv -T "$new" "$out"
say "ready"
