package readers_test

import (
	"os"
	"testing"

	"tracehammer/fuzz/input/inputtest"
)

func TestMain(m *testing.M) {
	inputtest.Main()
	os.Exit(m.Run())
}
