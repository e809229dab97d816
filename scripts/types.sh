#!/usr/bin/env bash
# Checks the types of every TypeScript file of the repository, which esbuild does
# not: it only takes them off. The compiler is the one that
# scripts/types/package-lock.json pins; npm fetches it at the first run. Needs node
# and npm (scripts/install.sh check) and writes into scripts/types/node_modules only.
set -eu
cd "$(dirname "$0")/types"

for tool in node npm; do
	if ! command -v "$tool" >/dev/null 2>&1; then
		echo "types: $tool is missing, so no type was checked: run scripts/install.sh check, or install node and npm" >&2
		exit 1
	fi
done

# npm keeps its own list of what is installed; older than ours, it is of another version.
if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
	echo "types: fetching the TypeScript compiler (npm)"
	if ! npm ci --ignore-scripts --no-audit --no-fund --loglevel=error; then
		echo "types: npm could not fetch the compiler that package-lock.json names, so no type was checked; see npm's words above" >&2
		exit 1
	fi
fi
tsc=node_modules/.bin/tsc

# A file that tsconfig.json does not reach would be checked by nobody.
top=$(git rev-parse --show-toplevel)
reached=$("$tsc" -p . --listFilesOnly)
missed=0
for file in $(git -C "$top" ls-files '*.ts'); do
	if ! grep -qxF "$top/$file" <<<"$reached"; then
		echo "types: $file is not among what scripts/types/tsconfig.json includes: add its folder" >&2
		missed=1
	fi
done
[ "$missed" = 0 ] || exit 1

"$tsc" -p .
echo "types: $(grep -cv /node_modules/ <<<"$reached") TypeScript files, no fault"
