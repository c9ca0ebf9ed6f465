// Package rules is the table of the specification's rules: what each says in a few words, which functions implement it,
// which scenarios and tests show it, and how often runs went through it.
//
// The places are read from the sources of engine/ and ptrace/, which the binary carries: comments that cite a rule (R67)
// and calls of Mark count for the declaration that they stand in. So the table cannot be out of date. It
// judges nothing and runs nothing; everything here is immutable after Load, and nothing takes locks.
package rules
