package engine

import (
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"strings"
	"testing"
)

// TestLayout makes sure that what Hash takes as bytes has no implicit padding and no blank fields that copies may skip
// with anything but zero in them.
func TestLayout(t *testing.T) {
	for _, v := range []any{task{}, proc{}, sighand{}, mm{}, fdTable{}, engine{}} {
		checkLayout(t, reflect.TypeOf(v))
		if s := reflect.TypeOf(v).Size(); s%8 != 0 {
			t.Errorf("%T has %d bytes, not a multiple of 8", v, s)
		}
	}
}

func checkLayout(t *testing.T, ty reflect.Type) {
	switch ty.Kind() {
	case reflect.Array:
		checkLayout(t, ty.Elem())
	case reflect.Struct:
		end := uintptr(0)
		for i := range ty.NumField() {
			f := ty.Field(i)
			if f.Offset != end {
				t.Errorf("%v: %d bytes of padding before %s", ty, f.Offset-end, f.Name)
			}
			end = f.Offset + f.Type.Size()
			checkLayout(t, f.Type)
		}
		if end != ty.Size() {
			t.Errorf("%v: %d bytes of padding at the end", ty, ty.Size()-end)
		}
	case reflect.Pointer, reflect.Map, reflect.Slice, reflect.String, reflect.Interface:
		t.Errorf("%v holds a reference", ty)
	}
}

// TestImports keeps the engine free of everything else of this module: ptrace is a client like any other.
func TestImports(t *testing.T) {
	pkgs, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range pkgs {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), e.Name(), nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, im := range f.Imports {
			if path := strings.Trim(im.Path.Value, `"`); strings.HasPrefix(path, "tracehammer") || strings.Contains(path, ".") {
				t.Errorf("%s imports %s", e.Name(), path)
			}
		}
	}
}

func TestBugNames(t *testing.T) {
	var all BugSet
	for b := range NumBugs {
		if got, err := ParseBug(b.String()); err != nil || got != b || b.Doc() == "" || b.Source() == "" {
			t.Errorf("%v: %v, %v, %q", b, got, err, b.Doc())
		}
		all = all.Or(b.Set())
	}
	if got, err := ParseBugs(all.String()); err != nil || got != all {
		t.Errorf("%v: %v", got, err)
	}
	if _, err := ParseBugs("lost-chld-wakeup,nonsense"); err == nil {
		t.Error("nonsense accepted")
	}
}

func TestSigInfoCode(t *testing.T) {
	for _, c := range []int32{SI_USER, SI_QUEUE, SI_TKILL, SI_KERNEL, CLD_STOPPED, 0x8005, 0x8013, 0x605} {
		if got := NewSigInfo(SIGUSR1, c, 3, 0).Code(); got != c {
			t.Errorf("code %#x became %#x", c, got)
		}
	}
}

// TestQueueOrder is R25 and R29: standard signals coalesce, real-time ones queue, faults first, then the lowest number.
func TestQueueOrder(t *testing.T) {
	var q queue
	for _, s := range []uint8{SIGRTMIN, SIGUSR2, SIGUSR1, SIGSEGV, SIGRTMIN} {
		q.add(SigInfo{Signo: s, Pid: int8(q.n)})
		q.mask |= bit(s)
	}
	var got []uint8
	for s := nextSignal(&q, 0); s != 0; s = nextSignal(&q, 0) {
		got = append(got, q.collect(s).Signo)
	}
	if want := []uint8{SIGSEGV, SIGUSR1, SIGUSR2, SIGRTMIN, SIGRTMIN}; !reflect.DeepEqual(got, want) || q != (queue{}) {
		t.Errorf("dequeued %v, want %v; left %+v", got, want, q)
	}
}
