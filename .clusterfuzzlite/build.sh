#!/bin/bash -eu
# Builds every target of packages fuzz and fuzz/readers for libFuzzer, with its seeds, into $OUT. FuzzHost is not among them: it needs namespaces and
# ptrace, which the machines that run this do not permit.
for target in $(sed -n 's/^func \(Fuzz[A-Za-z]*\)(.* \[\]byte) int.*/\1/p' fuzz/*.go fuzz/readers/*.go); do
	.ci/fuzz-engine build-libfuzzer "$target" "$OUT/$target"
	seeds=$(mktemp -d)
	.ci/fuzz-engine seeds "$target" "$seeds"
	(cd "$seeds" && zip -q -r "$OUT/${target}_seed_corpus.zip" .)
	rm -r "$seeds"
	printf '[libfuzzer]\nentropic = 0\nmax_len = 4096\n' >"$OUT/$target.options" # see .ci/fuzz-engine
done
