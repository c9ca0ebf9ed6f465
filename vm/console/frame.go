package console

import (
	"strconv"
	"strings"
)

// symbol takes "FUNC+0xOFFSET/0xSIZE" and what may follow, "[MODULE]", from the start of s (%pS of the kernel).
func symbol(s string) (f Frame, rest string, ok bool) {
	i := 0
	for i < len(s) && nameByte(s[i]) {
		i++
	}
	if i == 0 || i > maxFunc+40 || !strings.HasPrefix(s[i:], "+0x") || s[0] >= '0' && s[0] <= '9' {
		return f, s, false
	}
	off, rest := hex(s[i+3:])
	if off == "" || !strings.HasPrefix(rest, "/0x") {
		return f, s, false
	}
	size, rest := hex(rest[3:])
	if size == "" {
		return f, s, false
	}
	f.Func = plainName(s[:i])
	f.Offset, _ = strconv.ParseUint(off, 16, 64) // too long for an offset: 0 will do
	t := strings.TrimLeft(rest, " ")
	if strings.HasPrefix(t, "[") {
		if j := strings.IndexByte(t, ']'); j > 1 && j <= maxFunc && !strings.ContainsAny(t[1:j], "[<> ") && nameByte(t[1]) {
			if t[1:j] != "inline" {
				f.Module = t[1:j]
			}
			rest = t[j+1:]
		}
	}
	return f, rest, f.Func != ""
}

// plainName drops what the compiler appends to the name of a part or a variant of a function.
func plainName(s string) string {
	if i := strings.IndexByte(s, '.'); i > 0 {
		s = s[:i]
	}
	return cut(s)
}

func nameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '.' || c == '$'
}

func hex(s string) (num, rest string) {
	i := 0
	for i < len(s) && i < 16 && (s[i] >= '0' && s[i] <= '9' || s[i] >= 'a' && s[i] <= 'f') {
		i++
	}
	return s[:i], s[i:]
}

// addresses drops "[<c0ffee>]" and "[c0ffee]" from the start of s.
func addresses(s string) string {
	for {
		s = strings.TrimLeft(s, " ")
		t := strings.TrimPrefix(s, "(") // s390, where the unwinder is not sure
		if len(t) < 6 || t[0] != '[' {
			return s
		}
		t = strings.TrimPrefix(t[1:], "<")
		num, rest := hex(t)
		rest = strings.TrimPrefix(rest, ">")
		if len(num) < 4 || !strings.HasPrefix(rest, "]") {
			return s
		}
		s = rest[1:]
	}
}

// frame reads a line of a call trace. sure is false for what merely lay on the stack: "? f", "(f)" and "f (unreliable)".
func frame(s string) (f Frame, sure, ok bool) {
	sure = true
	if strings.HasPrefix(s, "([<") {
		sure = false
	}
	s = addresses(s)
	if t, q := strings.CutPrefix(s, "? "); q {
		s, sure = t, false
	}
	f, rest, ok := symbol(s)
	if !ok {
		if i := strings.Index(s, " from "); i > 0 && i < maxFunc { // arm: "callee from caller+0x10/0x20"
			if g, _, ok := symbol(strings.TrimLeft(addresses(s[i+6:]), "(")); ok {
				return g, true, true
			}
		}
		return f, false, false
	}
	rest = strings.TrimSpace(rest)
	switch {
	case rest == "" || rest == ")":
	case strings.HasPrefix(rest, "(unreliable)"), strings.HasPrefix(rest, "(P)"):
		sure = sure && rest[1] == 'P'
	case strings.Contains(rest, ":") && !strings.ContainsAny(rest, "={") && len(rest) < 160: // a symbolised "file.c:12"
	default:
		return f, false, false
	}
	return f, sure, true
}

// counter is what a line tells about the program counter.
type counter uint8

const (
	noCounter counter = iota
	known             // in a function of the kernel
	unknown           // in the kernel, in no function: a jump to NULL
	user              // in user mode
	link              // not the program counter but the return address
)

// counters are the names that architectures give to the program counter, or to the return address, at the start of a line.
var counters = [...]struct {
	start string
	arch  string
	what  counter
}{
	{"RIP: ", "x86, UML", known},
	{"EIP: ", "x86, 32 bits", known},
	{"pc : ", "arm64", known},
	{"lr : ", "arm64", link},
	{"PC is at ", "arm", known},
	{"LR is at ", "arm", link},
	{"epc : ", "riscv", known},
	{" ra : ", "riscv", link},
	{"ra : ", "riscv", link},
	{"Krnl PSW : ", "s390", known},
	{"User PSW : ", "s390", user},
	{"NIP [", "powerpc", known},
	{"LR [", "powerpc", link},
}

// programCounter reads a line with a program counter or a return address.
func programCounter(s string) (Frame, counter) {
	for i := range counters {
		c := &counters[i]
		rest, ok := strings.CutPrefix(s, c.start)
		if !ok {
			continue
		}
		switch c.start {
		case "Krnl PSW : ": // "0704c00180000000 000003ff8000408a (func+0x12/0x20 [module])"
			j := strings.IndexByte(rest, '(')
			if j < 0 {
				return Frame{}, unknown
			}
			rest = rest[j+1:]
		case "NIP [", "LR [":
			rest = addresses("[" + rest)
		default:
			rest = selector(rest)
			rest = addresses(rest)
		}
		if f, _, ok := symbol(rest); ok {
			return f, c.what
		}
		switch {
		case c.what == known && c.start == "RIP: " && strings.HasPrefix(s[len(c.start):], "0033:"):
			return Frame{}, user
		case c.what == known && strings.HasPrefix(rest, "0x"):
			return Frame{}, unknown
		default:
			return Frame{}, noCounter
		}
	}
	return Frame{}, noCounter
}

// selector drops a code segment: "0010:".
func selector(s string) string {
	num, rest := hex(s)
	if len(num) == 4 && strings.HasPrefix(rest, ":") {
		return rest[1:]
	}
	return s
}

// cut bounds a function's name, and leaves no part of a character at its end.
func cut(name string) string { return strings.ToValidUTF8(name[:min(len(name), maxFunc)], "") }
