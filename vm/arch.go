package vm

import "cmp"

// arch says how QEMU boots a kernel of an architecture.
type arch struct {
	uname   string   // the name in targets, where it is not Go's
	qemu    string   // the program, which has the architecture's name as QEMU spells it
	machine []string // the board, as far as it matters
	accel   string   // what emulates, where nothing is faster
	cpu     string
	console string // the kernel's name of the first serial line
	memory  int    // MiB
	link    string // the device of the messages
	serial  string // the device model of virtio-serial, on the board's bus
	second  string // the board's second serial line, for kernels of which nobody knows whether they have virtio; "" if it has none
	modules []string
	pkg     string // the Debian kernel package's name ends like this
	deb     string // Debian's name of the architecture
	kernel  string // the architecture whose kernels it boots, by Go's name, where that is another
	release string // whose kernel is the default, where not every release of the distribution has the architecture
	reboots bool   // a machine that was lost is booted: one that began with a snapshot would not live
}

// linkModules are what a distribution's kernel loads to have virtio-serial on PCI.
var linkModules = []string{"virtio_pci", "virtio_console"}

// vport is the first port of the first virtio-serial device. Port 0 is kept for a console.
const vport = "/dev/vport0p1"

// arches are the architectures by Go's names.
var arches = map[string]*arch{
	// q35 is slower to boot than the default board and has nothing that we need. -cpu max has what a kernel may use and TCG can do.
	"amd64": {uname: "x86_64", qemu: "qemu-system-x86_64", cpu: "max", accel: "tcg,thread=multi", console: "ttyS0", memory: 512, link: vport,
		serial: "virtio-serial-pci", second: "/dev/ttyS1", modules: linkModules, pkg: "cloud-amd64", deb: "amd64"},
	// Programs of 32 bits on a kernel of 64: what is raced is its calls for them (CONFIG_IA32_EMULATION). All else is as above.
	"386": {qemu: "qemu-system-x86_64", cpu: "max", accel: "tcg,thread=multi", console: "ttyS0", memory: 512, link: vport,
		serial: "virtio-serial-pci", second: "/dev/ttyS1", modules: linkModules, kernel: "amd64"},
	// max has pointer authentication and SVE, whose emulation makes everything three times slower; a57 lacks the LSE atomics that
	// actors need. Neither has MTE, so that PEEKMTETAGS, which has SINGLEBLOCK's number, is EIO.
	"arm64": {qemu: "qemu-system-aarch64", machine: []string{"-M", "virt"}, cpu: "cortex-a76", accel: "tcg,thread=multi", console: "ttyAMA0",
		memory: 512, link: vport, serial: "virtio-serial-pci", modules: linkModules, pkg: "cloud-arm64", deb: "arm64"},
	// The firmware is OpenSBI, which QEMU looks for by itself. Debian has the architecture since trixie; sid has the newest kernel.
	// QEMU 7.2 sets no timer in a machine that begins with a snapshot, with Sstc or without: its processors sleep, and the kernel
	// reports a hard lockup of one that idles.
	"riscv64": {qemu: "qemu-system-riscv64", machine: []string{"-M", "virt"}, cpu: "rv64", accel: "tcg,thread=multi", console: "ttyS0",
		memory: 512, link: vport, serial: "virtio-serial-pci", modules: linkModules, pkg: "riscv64", deb: "riscv64", release: "sid", reboots: true},
	// Devices are on the channel subsystem, whose virtio transport is built in. The console is SCLP's, whatever its name.
	"s390x": {qemu: "qemu-system-s390x", machine: []string{"-M", "s390-ccw-virtio"}, cpu: "max", accel: "tcg,thread=multi", console: "ttyS0",
		memory: 512, link: vport, serial: "virtio-serial-ccw", modules: linkModules, pkg: "s390x", deb: "s390x"},
	// The first serial line of a pseries is the hypervisor's console, and its kernels are ELF files. POWER9 is the oldest processor with
	// the atomic operations in memory that actors need, and its radix page tables are cheaper to emulate than hashed ones.
	// QEMU 7.2: a machine that begins with a snapshot says nothing.
	"ppc64le": {qemu: "qemu-system-ppc64", machine: []string{"-M", "pseries"}, cpu: "POWER9", accel: "tcg,thread=multi", console: "hvc0",
		memory: 1024, link: vport, serial: "virtio-serial-pci", modules: linkModules, pkg: "powerpc64le", deb: "ppc64el", reboots: true},
}

// KernelArch is the architecture of the kernels that machines boot for programs of an architecture; both by Go's names.
func KernelArch(goarch string) string {
	if a := arches[goarch]; a != nil {
		return cmp.Or(a.kernel, goarch)
	}
	return goarch
}

// archNames are the architectures as users write them, which is as QEMU and uname do, or as Go does.
var archNames = map[string]string{"386": "386", "x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64", "riscv64": "riscv64", "s390x": "s390x", "ppc64le": "ppc64le"}
