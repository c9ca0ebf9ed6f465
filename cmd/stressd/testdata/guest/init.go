// Init of a machine that runs one command and goes off: it mounts what stressd needs, runs it with its own arguments, says how
// it ended, and powers off.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

func main() {
	for _, m := range [][2]string{{"proc", "/proc"}, {"sysfs", "/sys"}, {"devtmpfs", "/dev"}, {"tmpfs", "/tmp"}} {
		if err := os.MkdirAll(m[1], 0o755); err != nil {
			fmt.Println(err)
		}
		if err := syscall.Mount(m[0], m[1], m[0], 0, ""); err != nil {
			fmt.Println("mount", m[1], err)
		}
	}
	c := exec.Command("/stressd", os.Args[1:]...)
	c.Stdout, c.Stderr = os.Stdout, os.Stdout
	if err := c.Run(); err != nil && c.ProcessState == nil {
		fmt.Println(err)
	}
	fmt.Println("exit", c.ProcessState.ExitCode())
	syscall.Reboot(syscall.LINUX_REBOOT_CMD_POWER_OFF) //nolint:errcheck // the machine is gone, or the test's bound ends it
}
