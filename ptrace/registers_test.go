package ptrace

import (
	"fmt"
	"strings"
	"testing"

	"tracehammer/engine"
)

// TestRegisterFiles is R110 for each architecture: a register set round trip, what comes back as length, short buffers, lengths that
// are no multiple, sets and requests that the architecture has not got.
func TestRegisterFiles(t *testing.T) {
	type call struct {
		r    Request
		args []any
		want string
	}
	get := func(note, length int, want string) call { return call{Getregset, []any{note, length}, want} }
	set := func(note, value int, want string) call { return call{Setregset, []any{note, value}, want} }
	result := func(register, length int) string { return fmt.Sprintf("0,%#x,0x0,%#x", register, length) }
	for arch, calls := range map[engine.Arch][]call{
		engine.AMD64: {
			get(ntPrstatus, 4096, result(0, 216)), get(ntPrfpreg, 4096, result(0, 512)), get(ntPrstatus, 4, "EINVAL"), get(ntArmTLS, 0, "EINVAL"),
			get(ntIoperm, 0, "ENXIO"), get(ntShstk, 8, "ENODEV"), get(ntShstk, 4, "EINVAL"), set(ntIoperm, 0, "EOPNOTSUPP"), set(ntShstk, 0, "ENODEV"),
			{Peekusr, []any{115, 0}, "0"}, {Peekusr, []any{116, 0}, "EIO"}, {Peekusr, []any{OffByte, 0}, "EIO"}, {Getregs, []any{0, 0}, "0"},
		},
		engine.ARM64: {
			get(ntPrstatus, 4096, result(0, 272)), get(ntPrfpreg, 4096, result(0, 528)), get(ntPrfpreg, 12, result(0, 12)), get(ntPrfpreg, 13, "EINVAL"),
			get(ntArmTLS, 4096, result(0, 16)), get(ntArmSystemCall, 4, result(0, 4)), get(ntArmSystemCall, 2, "EINVAL"), get(ntXstate, 0, "EINVAL"),
			set(ntArmTLS, 0, "0"), {Peekusr, []any{0, 0}, "EIO"}, {Pokeusr, []any{0, 0}, "EIO"}, {Getregs, []any{0, 0}, "EIO"}, {Getfpregs, []any{0, 0}, "EIO"},
		},
		engine.RISCV64: {
			get(ntPrstatus, 4096, result(0, 256)), get(ntPrstatus, 8, result(0, 8)), get(ntPrfpreg, 4096, result(0, 264)), get(ntPrfpreg, 4, "EINVAL"),
			get(ntArmTLS, 0, "EINVAL"), set(ntXstate, 0, "EINVAL"), {Peekusr, []any{0, 0}, "EIO"}, {Setregs, []any{0, 0}, "EIO"},
		},
		engine.S390X: {
			get(ntPrstatus, 4096, result(0, 216)), get(ntPrfpreg, 4096, result(0, 136)), get(ntPrstatus, 12, "EINVAL"), get(ntXstate, 0, "EINVAL"),
			get(ntS390LastBreak, 4096, result(0, 8)), get(ntS390SystemCall, 4096, result(0, 4)), set(ntS390LastBreak, 0, "0"),
			{Peekusr, []any{65, 0}, "0"}, {Peekusr, []any{66, 0}, "EIO"}, {Peekusr, []any{OffByte, 0}, "EIO"}, {Pokeusr, []any{65, 0}, "0"},
			{Pokeusr, []any{66, 0}, "EIO"}, {Getregs, []any{0, 0}, "EIO"}, {Setregs, []any{0, 0}, "EIO"}, {Getfpregs, []any{0, 0}, "EIO"},
		},
		engine.PPC64LE: {
			get(ntPrstatus, 4096, result(0, 384)), get(ntPrfpreg, 4096, result(0, 264)), get(ntPrstatus, 12, "EINVAL"), get(ntXstate, 0, "EINVAL"),
			get(ntPpcVMX, 4096, result(0, 544)), get(ntPpcVMX, 8, "EINVAL"), get(ntPpcVSX, 4096, result(0, 256)), get(ntPpcDSCR, 4096, result(0, 8)),
			set(ntPpcVMX, 0, "0"), {Peekusr, []any{39, 0}, "0"}, {Pokeusr, []any{39, 0}, "EIO"}, {Pokeusr, []any{40, 0}, "0"}, {Pokeusr, []any{43, 0}, "EIO"},
			{Pokeusr, []any{44, 0}, "0"}, {Peekusr, []any{45, 0}, "EIO"}, {Peekusr, []any{45, 1}, "EIO"}, {Pokeusr, []any{47, 0}, "EIO"},
			{Peekusr, []any{80, 0}, "0"}, {Peekusr, []any{81, 0}, "EIO"}, {Getregs, []any{0, 0}, "0"}, {Setregs, []any{0, 0}, "EFAULT"}, {Getfpregs, []any{0, 0}, "0"},
		},
		engine.I386: {
			get(ntPrstatus, 4096, result(0, 68)), get(ntPrstatus, 4, result(0, 4)), get(ntPrstatus, 6, "EINVAL"), get(ntPrfpreg, 4096, result(0, 108)),
			get(ntPrxfpreg, 4096, result(0, 512)), get(ntTLS, 4096, result(0, 48)), get(ntTLS, 8, "EINVAL"), get(ntXstate, 12, "EINVAL"),
			get(ntIoperm, 4, "ENXIO"), set(ntIoperm, 0, "EOPNOTSUPP"), get(ntShstk, 8, "EINVAL"), set(ntPrxfpreg, 0, "0"),
			{Pokeusr, []any{17, 1}, "0"}, {Pokeusr, []any{67, 0}, "EIO"}, {Pokeusr, []any{70, 0}, "0"}, {Peekusr, []any{71, 0}, "EIO"}, {Pokeusr, []any{71, 1}, "EIO"},
			{Peekusr, []any{OffByte, 0}, "EIO"}, {Getregs, []any{0, 0}, "0"}, {Setregs, []any{0, 0}, "EFAULT"}, {Getfpregs, []any{1, 0}, "0"},
		},
	} {
		last := func(b *build) string {
			end := ""
			for _, l := range explore(t, b.done(), engine.Options{Profile: engine.Profile{Arch: arch}, Check: true}).list() {
				calls := strings.Fields(strings.Split(l, "|")[0])
				if last := calls[len(calls)-1]; end != "" && end != last {
					t.Errorf("%v: ends with %s or with %s", arch, end, last)
				} else {
					end = last
				}
			}
			return end
		}
		for _, c := range calls {
			if got := last(attached().ptrace("main", c.r, "child", c.args...)); got != c.want {
				t.Errorf("%v: %v %v gives %s, want %s", arch, c.r, c.args, got, c.want)
			}
		}
		round := attached().ptrace("main", Setregset, "child", ntPrstatus, 9).ptrace("main", Getregset, "child", ntPrstatus, 0)
		want := "0"
		if registerFiles[arch].kept {
			want = strings.Replace(result(0, 0), "0x0", "0x9", 1)
		}
		if got := last(round); got != want {
			t.Errorf("%v: what was written comes back as %s", arch, got)
		}
		if got := last(attached().ptrace("main", Getregset, "child", ntPrstatus, -1)); got != "EFAULT" {
			t.Errorf("%v: a bad address gives %s", arch, got)
		}
	}
}
