#!/usr/bin/env bash
# Runs every fuzz test of the repository for the given time, one after another.
#
#   scripts/fuzz.sh 60s
set -eu

time=${1:?usage: scripts/fuzz.sh TIME, such as 60s}
tags=$(pkg-config --exists opus 2>/dev/null && echo -tags=opus,nolibopusfile || true)

git grep -l '^func Fuzz' -- '*_test.go' | while read -r file; do
	package=./$(dirname "$file")
	sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$file" | while read -r name; do
		echo "fuzz $package $name"
		# shellcheck disable=SC2086 # none or one
		go test $tags -run '^$' -fuzz "^$name\$" -fuzztime "$time" "$package" </dev/null
	done
done
