package transcode

import (
	"os"
	"testing"

	"github.com/stratos-mesh/stratos/transcode/sandbox"
)

func TestMain(m *testing.M) {
	sandbox.Main()
	os.Exit(m.Run())
}
